import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type {
  WatchSessionsRequest,
  WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { invalid, permissionDenied, isOutside } from "@lanekeeper/rpc";
import { isKeyWithin, type KeyBounds } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import type { StandingKey } from "../domain/key-state.ts";
import { storeError } from "../engine/engine.ts";
import { LIMITS } from "../limits.ts";
import { leadsOut } from "../names/leads.ts";
import type { WatchEvent } from "../watch/place.ts";
import { watch } from "../watch/watch.ts";
import type { IdentityRoutes } from "./handler.ts";
import { sessionFilter } from "./list-sessions.ts";
import { showSession } from "./show/session.ts";

type Response = MessageInitShape<typeof WatchSessionsResponseSchema>;

/** A token in transit is some hundred bytes; a long list of transactions under way makes it longer. */
const MAX_TOKEN_CHARS = 65_536;

export function watchSessions({
  db,
  feed,
  clock,
}: IdentityContext): IdentityRoutes["watchSessions"] {
  return async function* (request, call) {
    const { skipSnapshot, stopWhenTold, rotationsOnly } = request;
    const tokens = tokensOf(request);
    const everybody = call.tenant === "";
    if (everybody && isOutside(call)) throw permissionDenied("a credential watches its own tenant");
    const question = {
      tenant: everybody ? undefined : call.tenant,
      ...sessionFilter(request, call),
      ...tokens,
      skipSnapshot,
      stopWhenTold,
      rotationsOnly,
      bookmarkMs: bookmarkMs(request),
    };
    try {
      for await (const event of watch({ query: db, feed, clock }, question, call.signal)) {
        yield { ...show(event, call), tenant: everybody ? tenantOf(event) : "" };
      }
    } catch (error) {
      throw storeError(error);
    }
  };
}

function tokensOf({ resumeToken, untilToken }: WatchSessionsRequest) {
  if (resumeToken.length > MAX_TOKEN_CHARS) throw invalid("resume_token", "is too long");
  if (untilToken.length > MAX_TOKEN_CHARS) throw invalid("until_token", "is too long");
  if (untilToken !== "" && resumeToken === "") {
    throw invalid("until_token", "stands beside a resume_token");
  }
  return { resumeToken, untilToken };
}

function bookmarkMs({ bookmarkInterval }: WatchSessionsRequest): number {
  const { minBookmarkMs, bookmarkEveryMs } = LIMITS;
  if (bookmarkInterval === undefined) return bookmarkEveryMs;
  const ms = durationMs(bookmarkInterval);
  if (ms >= minBookmarkMs && ms <= bookmarkEveryMs) return Math.round(ms);
  throw invalid("bookmark_interval", `${minBookmarkMs} ms .. ${bookmarkEveryMs / 1000} s`);
}

function tenantOf(event: WatchEvent): string {
  if (event.kind === "snapshot") return event.state.tenant;
  return event.kind === "changed" ? event.change.state.tenant : "";
}

function show(event: WatchEvent, bounds: KeyBounds): Response {
  if (event.kind === "snapshot") {
    const { state } = event;
    if (leadsOut(state, bounds)) return { event: merged(state, "") };
    return { event: { case: "snapshot", value: showSession(state) } };
  }
  const { token: resumeToken, position, isBoundary } = event;
  return { event: told(event, bounds), resumeToken, position, isBoundary };
}

function told(
  event: Exclude<WatchEvent, { kind: "snapshot" }>,
  bounds: KeyBounds,
): NonNullable<Response["event"]> {
  if (event.kind === "snapshot_end") return { case: "snapshotEnd", value: {} };
  if (event.kind === "bookmark") return { case: "bookmark", value: {} };
  const { state, mergedInto } = event.change;
  if (mergedInto !== undefined) {
    return merged(state, isKeyWithin(mergedInto, bounds) ? mergedInto : "");
  }
  return { case: "changed", value: showSession(state) };
}

/** The survivor is empty where it is none of the keys that the credential is bound to. */
function merged({ sessionKey, revision }: StandingKey, survivorSessionKey: string) {
  return { case: "merged", value: { sessionKey, survivorSessionKey, revision } } as const;
}
