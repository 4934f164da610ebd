import { hasReason } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { Credential } from "../credentials/credential.ts";
import type { Entrance } from "../credentials/entrance.ts";
import { admit } from "../http/admit.ts";
import type { Exchange } from "../http/exchange.ts";
import type { IngressLimits } from "../limits.ts";
import { sentAsItComes } from "../turns/sent-as.ts";
import type { UnsureSubmissions } from "../turns/unsure-submissions.ts";

/** What letting in needs. */
interface LettingIn {
  readonly clock: Clock;
  readonly credentials: Pick<Entrance, "authenticate" | "hold">;
  readonly limits: Pick<IngressLimits, "maxBodyBytes">;
  readonly unsure: UnsureSubmissions;
}

/**
 * Lets a request for a turn in. One that is over its limit is refused before its body is read. What it said is
 * noted while the rest is thrown away, so that its retry is not taken for one of an equal request before.
 * @throws as the entrance does
 */
export async function letIn(
  context: LettingIn,
  exchange: Exchange,
  cameMs: number,
): Promise<Credential> {
  try {
    return await admit(context, exchange);
  } catch (error) {
    if (hasReason(error, "RATE_LIMITED")) void noteRefused(context, exchange, cameMs);
    throw error;
  }
}

/** Of clients that will say that they ask again. */
async function noteRefused(
  { limits, unsure }: LettingIn,
  { req, headers, facts }: Exchange,
  firstTryMs: number,
): Promise<void> {
  const { caller, route } = facts;
  const isTold = headers.get("x-stainless-retry-count") === "0";
  if (caller === undefined || !isTold || headers.get("idempotency-key") !== undefined) return;
  const sent = await sentAsItComes(route, headers, req, limits.maxBodyBytes);
  if (sent !== undefined) unsure.refused({ caller, sent, firstTryMs });
}
