import { systemIds } from "@lanekeeper/service";

/** A UUIDv7. */
export function v7(): string {
  return systemIds.uuid();
}
