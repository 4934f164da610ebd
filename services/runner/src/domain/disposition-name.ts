import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";

const NAMES = new Map<Disposition, string>(
  Object.entries(Disposition).map(([name, value]) => [value, name.toLowerCase()]),
);

/** As it stands in logs, metrics and the header `x-lane-disposition`. */
export function nameOf(disposition: Disposition): string {
  return NAMES.get(disposition) ?? "unspecified";
}
