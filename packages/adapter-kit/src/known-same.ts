import { toBinary, create } from "@bufbuild/protobuf";
import { PeerSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { hasReason } from "@lanekeeper/rpc";
import type { Deadline } from "./deadline.ts";
import type { AdapterAccount, SamePeer } from "./event.ts";
import type { AdapterPorts } from "./ports.ts";

/** About 200 bytes each. */
const MAX_KNOWN = 10_000;

/**
 * So long one that was registered is not registered again. A database that is restored, or fails over with a loss,
 * knows it no more and tells nobody: by then the next message does.
 */
const KNOWN_FOR_MS = 10 * 60_000;

/**
 * Which second names were registered a while ago at most, so that a platform that tells them with every message
 * costs a call now and then and not one for each. Forgetting one costs a repeat, which changes nothing.
 */
export class KnownSame {
  readonly #nowMs: () => number;
  /** When each was registered, in that order. */
  readonly #known = new Map<string, number>();

  /** @param nowMs a clock that only goes forward */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

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
      if (this.#isKnown(name)) continue;
      const askedMs = this.#nowMs();
      try {
        await identity.registerEquivalence({ agentId, peer, sameAs, source }, deadline.call);
      } catch (error) {
        // Both had sessions for long: they go on apart until an operator merges them.
        if (!hasReason(error, "ALIAS_CONFLICT")) throw error;
      }
      this.#remember(name, askedMs);
    }
  }

  #isKnown(name: string): boolean {
    const registeredMs = this.#known.get(name);
    return registeredMs !== undefined && this.#nowMs() - registeredMs < KNOWN_FOR_MS;
  }

  #remember(name: string, askedMs: number): void {
    this.#known.delete(name);
    this.#known.set(name, askedMs);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }
}

function text(peer: SamePeer["peer"]): string {
  return Buffer.from(toBinary(PeerSchema, create(PeerSchema, peer))).toString("base64");
}
