import type { Socket } from "node:net";
import { boundedSignal, type Clock } from "@lanekeeper/service";
import type { AllowedNetworks } from "../../domain/ip-rules.ts";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import { signedHeaders } from "../../domain/signing-secret.ts";
import type { Limits } from "../../limits.ts";
import { type Channel, type ClaimSend, leaveIfDoubtful, type Reply } from "../channel.ts";
import { webhookBody } from "./body.ts";
import { connectPinned } from "../http/connect.ts";
import { postOver } from "./post.ts";
import { type Resolve, resolvePinned } from "../http/resolve.ts";

export interface WebhookDeps {
  readonly resolve: Resolve;
  readonly allowed: AllowedNetworks;
  readonly clock: Pick<Clock, "now">;
  readonly limits: Pick<Limits, "connectMs" | "postMs" | "responseBytes" | "retryAfterMs">;
  /** Lanekeeper's, for the User-Agent. */
  readonly version: string;
}

type Connected = { readonly socket: Socket } | { readonly outcome: SendOutcome };

/**
 * Webhooks as Standard Webhooks has them: signed, with the delivery's id as webhook-id, so that a
 * receiver can tell repeats. The connection is opened first and the fence shown then, so that the
 * claim is followed by the first byte at once, and a receiver that is down is never "perhaps sent".
 */
export function webhookChannel(deps: WebhookDeps): Channel {
  return {
    async send(reply, claim, signal, notes) {
      notes.pieces(1);
      const held = leaveIfDoubtful(reply);
      if (held !== undefined) return held;
      const url = new URL(reply.address);
      const connected = await open(deps, url, signal);
      if ("outcome" in connected) return connected.outcome;
      return claimAndPost(deps, url, reply, connected.socket, claim, signal);
    },
  };
}

async function open(deps: WebhookDeps, url: URL, signal: AbortSignal): Promise<Connected> {
  const { connectMs } = deps.limits;
  const bounded = boundedSignal(signal, connectMs);
  try {
    const pinned = await before(bounded, resolvePinned(url, deps.resolve, deps.allowed));
    if ("outcome" in pinned) return pinned;
    return { socket: await connectPinned(url, pinned.addresses, bounded) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { outcome: { kind: "failed", error: `no connection: ${message}` } };
  }
}

/** A resolver cannot be cut off; its answer is left to itself. */
function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

async function claimAndPost(
  { clock, limits, version }: WebhookDeps,
  url: URL,
  reply: Reply,
  socket: Socket,
  claim: ClaimSend,
  signal: AbortSignal,
): Promise<SendOutcome> {
  const body = webhookBody(reply);
  try {
    await claim();
  } catch (error) {
    socket.destroy();
    throw error;
  }
  if (socket.destroyed)
    return { kind: "failed", error: "the connection was lost before anything was sent" };
  return postOver(socket, {
    url,
    headers: {
      "content-type": "application/json",
      "user-agent": `lanekeeper/${version}`,
      ...signedHeaders(reply.signingSecrets, reply.deliveryId, clock.now(), body),
    },
    body,
    signal: boundedSignal(signal, limits.postMs),
    responseBytes: limits.responseBytes,
    maxRetryAfterMs: limits.retryAfterMs,
    now: () => clock.now(),
  });
}
