import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchSessionsResponseSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { invalid } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import { storeError } from "../engine/engine.ts";
import { watch, type WatchEvent } from "../watch/watch.ts";
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
    const { resumeToken, skipSnapshot } = request;
    if (resumeToken.length > MAX_TOKEN_CHARS) throw invalid("resume_token", "is too long");
    const everybody = call.tenant === "";
    const question = {
      tenant: everybody ? undefined : call.tenant,
      ...sessionFilter(request, call),
      ...{ resumeToken, skipSnapshot },
    };
    try {
      for await (const event of watch({ query: db, feed, clock }, question, call.signal)) {
        yield { ...show(event), tenant: everybody ? tenantOf(event) : "" };
      }
    } catch (error) {
      throw storeError(error);
    }
  };
}

function tenantOf(event: WatchEvent): string {
  if (event.kind === "snapshot") return event.state.tenant;
  return event.kind === "changed" ? event.change.state.tenant : "";
}

function show(event: WatchEvent): Response {
  switch (event.kind) {
    case "snapshot":
      return { event: { case: "snapshot", value: showSession(event.state) } };
    case "snapshot_end":
      return { event: { case: "snapshotEnd", value: {} }, resumeToken: event.token };
    case "bookmark":
      return { event: { case: "bookmark", value: {} }, resumeToken: event.token };
    case "changed": {
      const { state, mergedInto } = event.change;
      if (mergedInto === undefined) {
        return { event: { case: "changed", value: showSession(state) }, resumeToken: event.token };
      }
      const merged = { sessionKey: state.sessionKey, survivorSessionKey: mergedInto };
      return { event: { case: "merged", value: merged }, resumeToken: event.token };
    }
  }
}
