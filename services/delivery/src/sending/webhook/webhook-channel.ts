import { boundedSignal, type Clock } from "@lanekeeper/service";
import type { AllowedNetworks } from "@lanekeeper/addresses";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import { literalAddress } from "@lanekeeper/addresses";
import { signedHeaders } from "../../domain/signing-secret.ts";
import type { Limits } from "../../limits.ts";
import { type Channel, type ClaimSend, leaveIfDoubtful, type Reply } from "../channel.ts";
import { webhookBody } from "./body.ts";
import { connectPinned } from "../http/connect.ts";
import type { Connection } from "../http/connection.ts";
import type { KeptConnections } from "../http/kept-connections.ts";
import { postOver } from "./post.ts";
import type { LookUp } from "../http/look-ups.ts";
import { resolvedBefore, resolvePinned } from "../http/resolve.ts";

export interface WebhookDeps {
  readonly lookUp: LookUp;
  readonly kept: KeptConnections;
  readonly allowed: AllowedNetworks;
  readonly clock: Pick<Clock, "now">;
  readonly limits: Pick<Limits, "connectMs" | "postMs" | "responseBytes" | "retryAfterMs">;
  /** Lanekeeper's, for the User-Agent. */
  readonly version: string;
}

type Connected = { readonly connection: Connection } | { readonly outcome: SendOutcome };

/**
 * Webhooks as Standard Webhooks has them: signed, with the delivery's id as webhook-id, so that a
 * receiver can tell repeats. The connection is opened first and the fence shown then, so that the
 * claim is followed by the first byte at once, and a receiver that is down is never "perhaps sent".
 * A connection of a moment ago is used again, but not for what must not be sent twice: its receiver may
 * be closing it just then, and nobody could tell whether the post was read.
 */
export function webhookChannel(deps: WebhookDeps): Channel {
  return {
    async send(reply, claim, signal, notes) {
      notes.pieces(1);
      const held = leaveIfDoubtful(reply);
      if (held !== undefined) return held;
      const url = new URL(reply.address);
      const connected = await open(deps, url, reply, signal);
      if ("outcome" in connected) return connected.outcome;
      return claimAndPost(deps, url, reply, connected.connection, claim, signal);
    },
  };
}

/** The name is resolved and checked for each post, whatever connections there are. */
async function open(
  { lookUp, allowed, kept, limits }: WebhookDeps,
  url: URL,
  { tenant, mayResend: mayReuse }: Reply,
  signal: AbortSignal,
): Promise<Connected> {
  try {
    const pinned = isLiteral(url)
      ? await resolvePinned(url, async () => [], allowed)
      : await resolvedInTime();
    if ("outcome" in pinned) return pinned;
    const known = mayReuse ? kept.take(url, pinned.addresses) : undefined;
    if (known !== undefined) return { connection: known };
    const bounded = boundedSignal(signal, limits.connectMs);
    return { connection: kept.made(url, await connectPinned(url, pinned.addresses, bounded)) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { outcome: { kind: "failed", error: `no connection: ${message}` } };
  }

  function resolvedInTime() {
    const inTime = boundedSignal(signal, limits.connectMs);
    const resolve = (hostname: string) => lookUp(tenant, hostname, inTime);
    return resolvedBefore(inTime, resolvePinned(url, resolve, allowed));
  }
}

/** Nothing has to be asked for it. */
function isLiteral(url: URL): boolean {
  return literalAddress(url) !== undefined;
}

async function claimAndPost(
  { clock, limits, version }: WebhookDeps,
  url: URL,
  reply: Reply,
  connection: Connection,
  claim: ClaimSend,
  signal: AbortSignal,
): Promise<SendOutcome> {
  const body = webhookBody(reply);
  try {
    await claim();
  } catch (error) {
    connection.close();
    throw error;
  }
  if (!connection.isOpen)
    return { kind: "failed", error: "the connection was lost before anything was sent" };
  return postOver(connection, {
    url,
    headers: {
      "content-type": "application/json",
      "user-agent": `lanekeeper/${version}`,
      ...signedHeaders(reply.signingSecrets, reply.deliveryId, clock.now(), body),
    },
    body,
    signal,
    timeoutMs: limits.postMs,
    responseBytes: limits.responseBytes,
    maxRetryAfterMs: limits.retryAfterMs,
    now: () => clock.now(),
  });
}
