import { randomUUID } from "node:crypto";
import { LanekeeperError, RpcError } from "@lanekeeper/rpc";
import { CliError } from "../cli-error.ts";
import { awaitService } from "../operator/await-service.ts";
import { openPeer, type Peer, peerTargets } from "../operator/peer.ts";
import { type Output, showJson } from "../output.ts";

export interface RaiseOptions {
  readonly json?: true;
  /** Repeating a raise whose answer was lost needs the same. */
  readonly requestId?: string;
  readonly note?: string;
}

/** Every key of every tenant is lifted in one go; a million keys take a minute. */
const TIMEOUT_MS = 300_000;

/**
 * `lanekeeper fence raise`: after a restore from backup or a lossy failover. Whatever was valid before
 * is accepted no more: generations and epochs of every key rise by 2^32.
 */
export async function raiseFences(options: RaiseOptions, output: Output): Promise<void> {
  const { requestId = randomUUID(), note = "lanekeeper fence raise" } = options;
  using peer = openPeer(await peerTargets());
  const tell = (line: string) => output.problem(line);
  await awaitService(peer.identity, { service: "session-identity", tell });
  const keyCount = await raise(peer, requestId, note);
  if (options.json) return showJson(output, { requestId, keyCount: String(keyCount) });
  output.line(`${keyCount} keys lifted by 2^32 (request ${requestId})`);
}

/** The request's id is its label too, by which journal and trace find it. */
async function raise(peer: Peer, requestId: string, note: string): Promise<bigint> {
  try {
    const options = { timeoutMs: TIMEOUT_MS, requestId };
    return (await peer.identity.raiseFences({ requestId, note }, options)).keyCount;
  } catch (error) {
    if (!(error instanceof RpcError) || error instanceof LanekeeperError) throw error;
    throw new CliError(
      `The answer of session-identity at ${peer.identity.$target} was lost (${error.message}): whether the fences ` +
        `are raised is not known. Repeat it with "--request-id ${requestId}", which raises nothing twice.`,
      { cause: error },
    );
  }
}
