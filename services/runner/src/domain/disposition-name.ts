import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";

/** As it stands in logs, metrics and the header `x-lane-disposition`. */
export function nameOf(disposition: Disposition): string {
  const found = Object.entries(Disposition).find(([, value]) => value === disposition);
  return (found?.[0] ?? "unspecified").toLowerCase();
}
