import { type CallContext, invalid, isOutside } from "@lanekeeper/rpc";
import type { CanonicalKey, KeyBounds } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import { checkBounds } from "../names/caller.ts";
import { type JournalEntryRow, listJournal as list } from "../store/journal/list-journal.ts";
import type { IdentityRoutes } from "./handler.ts";
import { sessionKey } from "./parse/key.ts";
import { pageSize, pageToken, readNumberToken } from "./parse/page.ts";
import { label, optionalId } from "./parse/text.ts";
import { showEntry } from "./show/journal.ts";

export function listJournal({ db }: IdentityContext): IdentityRoutes["listJournal"] {
  return async (request, call) => {
    const limit = pageSize(request.pageSize);
    const filter = {
      sessionKey: request.sessionKey === "" ? "" : boundKey(request.sessionKey, call),
      requestId: label("request_id", request.requestId, LIMITS.maxPrefixBytes),
      traceId: traceId(request.traceId),
      turnId: optionalId("turn_id", request.turnId),
      refusedOnly: request.refusedOnly,
    };
    const { tenant, agents, keyPrefixes } = call;
    const question = ["journal", tenant, filter];
    const before = readNumberToken(question, request.pageToken);
    const scope = { tenant, agents, keyPrefixes, withInternal: !isOutside(call) };
    const found = await list(db, { ...filter, ...scope, before, limit: limit + 1 });
    return journalPage(found, limit, question, call);
  };
}

/** Entries asked for with one more than fit, to know whether there is a next page. */
export function journalPage(
  found: readonly JournalEntryRow[],
  limit: number,
  question: readonly unknown[],
  bounds: KeyBounds,
) {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const more = found.length > limit && last !== undefined;
  return {
    entries: page.map((entry) => showEntry(entry, bounds)),
    nextPageToken: more ? pageToken(question, String(last.entry_id)) : "",
  };
}

/** @throws MALFORMED_KEY, KEY_TOO_LONG; PERMISSION_DENIED outside the credential's bounds */
function boundKey(text: string, call: CallContext): CanonicalKey {
  const key = sessionKey("session_key", text);
  checkBounds(key, call);
  return key;
}

function traceId(text: string): string {
  if (text === "" || /^[0-9a-f]{32}$/.test(text)) return text;
  throw invalid("trace_id", "32 hex digits in lower case, as in a traceparent");
}
