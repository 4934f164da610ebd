import { History } from "../history/history.ts";
import { oneIdentity } from "../judges/g01-one-identity.ts";
import { onlyGrows } from "../judges/g02-only-grows.ts";
import { noStaleWrite } from "../judges/g03-no-stale-write.ts";
import { watchedAt } from "../judges/g12-watch.ts";
import type { Verdict } from "../judges/judge.ts";
import { nothingOld, RESTORE } from "./nothing-old.ts";

/** What holds across a restore. Turns, replies and rotations of after the backup are gone, and said to be. */
export function judgeRestore(whole: History): readonly Verdict[] {
  const history = new History(whole.ops, whole.sights.filter(isKept));
  const judges = [nothingOld, oneIdentity, onlyGrows, noStaleWrite];
  const watches = (["session-identity", "delivery"] as const).map(watchedAt);
  return [...judges, ...watches].map((judge) => judge(history));
}

/** The journal of after the backup is gone, and so are the keys that were born then: no snapshot has them. */
function isKept({ f, value }: History["sights"][number]): boolean {
  return (
    f !== "finalJournal" && !(f === "told" && "kind" in value && value.kind === "snapshot_end")
  );
}

/** Clients who asked for a turn after the restore and got its answer, while others did too. */
export function gotOn(history: History): number {
  const ended = history
    .seen("fault")
    .find(({ value }) => value.kind === RESTORE && value.state === "end");
  if (ended === undefined) return 0;
  const answered = history
    .answered("turn")
    .filter(({ start, answer }) => start > ended.at && answer.state === "COMPLETED");
  return new Set(answered.map(({ process }) => process)).size;
}
