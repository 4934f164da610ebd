import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type WatchSessionsResponse,
  WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import type { WatchSessionsResponse as SessionMessage } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";

/** A message as subscribers get it: one object for all of them. */
export interface Told {
  readonly message: WatchSessionsResponse;
  /** On the wire. */
  readonly bytes: number;
}

export function told(init: MessageInitShape<typeof WatchSessionsResponseSchema>): Told {
  const message = create(WatchSessionsResponseSchema, init);
  return { message, bytes: toBinary(WatchSessionsResponseSchema, message).length };
}

/** As session-identity told it, less what concerns followers of all tenants alone. */
export function toldSession({ event, resumeToken }: SessionMessage): Told {
  return told({ event: { event, resumeToken } });
}

/** A merge, as it is told to those who may know of this survivor; empty: of none. */
export function toldMerge(
  { event, resumeToken }: SessionMessage,
  survivorSessionKey: string,
): Told {
  if (event.case !== "merged") throw new Error(`a merge is told, no ${event.case ?? "nothing"}`);
  const value = { ...event.value, survivorSessionKey };
  return told({ event: { event: { case: "merged", value }, resumeToken } });
}

/** The key of a state; undefined where it is none. */
export function keyOf({ event }: SessionMessage): string | undefined {
  switch (event.case) {
    case "snapshot":
    case "changed":
      return event.value.ref?.sessionKey;
    default:
      return undefined;
  }
}
