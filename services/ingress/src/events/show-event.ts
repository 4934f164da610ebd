import { toJson } from "@bufbuild/protobuf";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import {
  SessionMergedSchema,
  type WatchSessionsResponse as SessionMessage,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import {
  LaneStateSchema,
  type WatchLanesResponse,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import type { NamedEvent } from "../http/sse.ts";

/** A message of delivery's as a server-sent event; data is protobuf's JSON, as over Connect. */
export function showEvent({ event, lane }: WatchSessionsResponse): NamedEvent | undefined {
  if (lane !== undefined) return showLane(lane);
  return event === undefined ? undefined : showSession(event);
}

/** Only where a token is set has the stream a place to go on from. */
function showSession({ event, resumeToken: id }: SessionMessage): NamedEvent | undefined {
  switch (event.case) {
    case "snapshot":
      return { name: "session.snapshot", id, data: toJson(SessionSchema, event.value) };
    case "changed":
      return { name: "session.changed", id, data: toJson(SessionSchema, event.value) };
    case "merged":
      return { name: "session.merged", id, data: toJson(SessionMergedSchema, event.value) };
    case "snapshotEnd":
      return { name: "session.snapshot_end", id, data: {} };
    case "bookmark":
      return { name: "bookmark", id, data: {} };
    default:
      return undefined;
  }
}

function showLane({ event }: WatchLanesResponse): NamedEvent | undefined {
  switch (event.case) {
    case "snapshot":
      return { name: "lane.snapshot", id: "", data: toJson(LaneStateSchema, event.value) };
    case "changed":
      return { name: "lane.changed", id: "", data: toJson(LaneStateSchema, event.value) };
    case "snapshotEnd":
      return { name: "lane.snapshot_end", id: "", data: {} };
    default:
      return undefined;
  }
}
