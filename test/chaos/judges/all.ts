import type { History } from "../history/history.ts";
import { oneIdentity } from "./g01-one-identity.ts";
import { onlyGrows } from "./g02-only-grows.ts";
import { noStaleWrite } from "./g03-no-stale-write.ts";
import { noFalseStale } from "./g04-no-false-stale.ts";
import { oneEnd } from "./g05-one-end.ts";
import { endsAskedFor } from "./g05-ends-asked-for.ts";
import { laneOrder } from "./g06-lane-order.ts";
import { onceInTranscript } from "./g07-once-in-transcript.ts";
import { delivered } from "./g08-delivered.ts";
import { keys } from "./g09-keys.ts";
import { bindings } from "./g10-bindings.ts";
import { repeats } from "./g11-repeats.ts";
import { lanesWatched } from "./g12-lanes.ts";
import { watchedAt } from "./g12-watch.ts";
import { noDeadlock } from "./g13-no-deadlock.ts";
import { tenantsApart } from "./g14-tenants.ts";
import { bounded } from "./g15-bounds.ts";
import { noTrace } from "./g16-no-trace.ts";
import type { Judge, Verdict } from "./judge.ts";
import { linearizable } from "./linearizable.ts";

const JUDGES: readonly Judge[] = [
  ...[
    oneIdentity,
    onlyGrows,
    noStaleWrite,
    linearizable,
    noFalseStale,
    oneEnd,
    endsAskedFor,
    laneOrder,
  ],
  ...[onceInTranscript, delivered, keys, bindings, repeats],
  ...[watchedAt("session-identity"), watchedAt("delivery"), lanesWatched],
  ...[noDeadlock, tenantsApart, bounded, noTrace],
];

/** Every judge's verdict; G3 has two, by real time and by replay, G5 one for what ended for another's sake, and G12 has one for each thing that is watched. */
export function judgeAll(history: History): readonly Verdict[] {
  return JUDGES.map((judge) => judge(history));
}
