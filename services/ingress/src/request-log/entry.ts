import { traceIdOf } from "@lanekeeper/service";
import type { RequestFacts } from "../http/exchange.ts";

/** One request as it is kept. Texts are empty where there is nothing to say. */
export interface RequestEntry {
  readonly tenant: string;
  readonly requestId: string;
  readonly traceId: string;
  readonly principal: string;
  readonly route: string;
  readonly rawKey: string;
  readonly sessionKey: string;
  readonly turnId: string;
  readonly disposition: string;
  /** 499: the client left before its answer was complete. */
  readonly status: number;
  readonly reason: string;
  readonly errorMessage: string;
  readonly createTime: Date;
  readonly endTime: Date;
}

const MAX_ERROR_CHARS = 500;
/** As much as a key may have, in bytes: one that was refused for being longer is not kept whole. */
const MAX_RAW_KEY_CHARS = 1_024;

export function requestEntry(facts: RequestFacts, status: number, endTime: Date): RequestEntry {
  const { caller, error, session } = facts;
  return {
    tenant: caller?.tenant ?? "",
    requestId: facts.requestId,
    traceId: traceIdOf(facts.traceparent) ?? "",
    principal: caller?.principal ?? "",
    route: facts.route,
    rawKey: storable((facts.rawKey ?? "").slice(0, MAX_RAW_KEY_CHARS)),
    sessionKey: storable(session?.sessionKey ?? ""),
    turnId: facts.turnId ?? "",
    disposition: facts.disposition ?? "",
    status,
    reason: error?.reason ?? "",
    errorMessage: storable(error?.message ?? "").slice(0, MAX_ERROR_CHARS),
    createTime: facts.createTime,
    endTime,
  };
}

/** Postgres' text holds every character but U+0000, which a refused key may well have. */
function storable(text: string): string {
  return text.replaceAll("\0", "\u{FFFD}");
}
