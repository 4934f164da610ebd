import { hasReason, invalid } from "@lanekeeper/rpc";
import { MAX_KEY_BYTES, parseAgentId } from "@lanekeeper/session-key";
import type { SingleHeaders } from "../http/single-headers.ts";

/** What a subscriber asks for. */
export interface EventsQuestion {
  readonly agentId: string;
  readonly sessionKeyPrefix: string;
  readonly lanes: boolean;
  /** Empty: from a snapshot. */
  readonly resumeToken: string;
}

const PARAMETERS = ["agent", "prefix", "lanes"] as const;

/**
 * From the query (`agent`, `prefix`, `lanes=0`) and `Last-Event-ID`. What is not known is refused: a
 * misspelt filter would show everything. @throws INVALID_REQUEST
 */
export function eventsQuestion(url: string, headers: SingleHeaders): EventsQuestion {
  const { searchParams } = new URL(url, "http://ingress");
  for (const name of new Set(searchParams.keys())) {
    if (!PARAMETERS.some((known) => known === name)) {
      throw invalid(name, `is no parameter; there are ${PARAMETERS.join(", ")}`);
    }
    if (searchParams.getAll(name).length > 1) throw invalid(name, "is given twice");
  }
  return {
    agentId: agentOf(searchParams.get("agent")),
    sessionKeyPrefix: prefixOf(searchParams.get("prefix")),
    lanes: lanesOf(searchParams.get("lanes")),
    resumeToken: headers.get("last-event-id") ?? "",
  };
}

/** What delivery says of its `resume_token` is told of the header that it came in. */
export function inSubscribersWords(error: unknown): unknown {
  if (!hasReason(error, "INVALID_REQUEST")) return error;
  const violation = error.fieldViolations.find(({ field }) => field === "resume_token");
  return violation === undefined ? error : invalid("last-event-id", violation.description);
}

function agentOf(text: string | null): string {
  if (text === null) return "";
  if (parseAgentId(text) === undefined) throw invalid("agent", "is no agent id");
  return text;
}

function prefixOf(text: string | null): string {
  if (text === null) return "";
  if (Buffer.byteLength(text) > MAX_KEY_BYTES || text.includes("\0")) {
    throw invalid("prefix", `must have at most ${MAX_KEY_BYTES} bytes and no U+0000`);
  }
  return text;
}

function lanesOf(text: string | null): boolean {
  if (text === null || text === "1") return true;
  if (text === "0") return false;
  throw invalid("lanes", "is 1 or 0");
}
