import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { DeliverySchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { JournalEntrySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import { RotationSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { RequestSchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { TurnSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { TraceEvent } from "./events.ts";
import type { Gathered } from "./gather.ts";

/** The records as the services gave them, and the story that was made of them. */
export function gatheredJson(
  found: Gathered,
  events: readonly TraceEvent[],
  missing: readonly string[],
): JsonValue {
  return {
    requests: found.requests.map((one) => toJson(RequestSchema, one)),
    turns: found.turns.map((one) => toJson(TurnSchema, one)),
    journal: found.journal.map((one) => toJson(JournalEntrySchema, one)),
    deliveries: found.deliveries.map((one) => toJson(DeliverySchema, one)),
    rotations: found.rotations.map((one) => toJson(RotationSchema, one)),
    silent: [...found.silent],
    missing: [...missing],
    events: events.map(({ atMs, service, what }) => ({
      time: new Date(atMs).toISOString(),
      service,
      what,
    })),
  };
}
