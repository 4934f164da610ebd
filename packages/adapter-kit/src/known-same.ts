import { toBinary, create } from "@bufbuild/protobuf";
import { PeerSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { hasReason } from "@lanekeeper/rpc";
import type { Deadline } from "./deadline.ts";
import type { AdapterAccount, SamePeer } from "./event.ts";
import type { AdapterPorts } from "./ports.ts";

/** About 200 bytes each. */
const MAX_KNOWN = 10_000;

/**
 * Which second names were registered before, so that a platform that tells them with every message
 * costs one call and not one for each. Forgetting one costs a repeat, which changes nothing.
 */
export class KnownSame {
  readonly #known = new Set<string>();

  /**
   * Registers what is not known yet.
   * @throws SESSION_BUSY while a run holds the conversation that would go, and what cannot be reached.
   */
  async register(
    { identity }: Pick<AdapterPorts, "identity">,
    scope: string,
    account: AdapterAccount,
    samePeers: readonly SamePeer[],
    deadline: Deadline,
  ): Promise<void> {
    const { agentId, source } = account;
    for (const { peer, sameAs } of samePeers) {
      const name = [scope, agentId, text(peer), text(sameAs)].join(" ");
      if (this.#known.has(name)) continue;
      try {
        await identity.registerEquivalence({ agentId, peer, sameAs, source }, deadline.call);
      } catch (error) {
        // Both had sessions for long: they go on apart until an operator merges them.
        if (!hasReason(error, "ALIAS_CONFLICT")) throw error;
      }
      this.#remember(name);
    }
  }

  /** A Set keeps the order of insertion, so the first is the oldest. */
  #remember(name: string): void {
    this.#known.add(name);
    const [oldest] = this.#known;
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }
}

function text(peer: SamePeer["peer"]): string {
  return Buffer.from(toBinary(PeerSchema, create(PeerSchema, peer))).toString("base64");
}
