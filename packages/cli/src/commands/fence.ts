import { randomUUID } from "node:crypto";
import { openPeer, peerTargets } from "../operator/peer.ts";
import { jsonText, type Output } from "../output.ts";

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
  const { keyCount } = await peer.identity.raiseFences(
    { requestId, note },
    { timeoutMs: TIMEOUT_MS },
  );
  if (options.json) return output.line(jsonText({ requestId, keyCount: String(keyCount) }));
  output.line(`${keyCount} keys lifted by 2^32 (request ${requestId})`);
}
