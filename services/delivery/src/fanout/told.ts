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

/** The key that a message of session-identity is about; undefined where it is about none. */
export function keyOf({ event }: SessionMessage): string | undefined {
  switch (event.case) {
    case "snapshot":
    case "changed":
      return event.value.ref?.sessionKey;
    case "merged":
      return event.value.sessionKey;
    default:
      return undefined;
  }
}
