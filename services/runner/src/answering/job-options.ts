import type { Begun } from "../store/runs/activate.ts";
import type { Grant } from "../runs/grant.ts";
import type { Heartbeat } from "../runs/heartbeat.ts";
import type { History } from "./history.ts";
import type { Claimed } from "../runs/claimed.ts";

export interface JobOptions {
  readonly claimed: Claimed;
  readonly grant: Grant;
  readonly begun: Begun;
  readonly heartbeat: Heartbeat;
  /** Read while the turn was being activated; undefined: it is still to be read. */
  readonly early: Promise<History | undefined> | undefined;
}
