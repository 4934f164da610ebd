import { groupBy, type History, type Sight } from "../history/history.ts";
import { LanesTold } from "../history/lanes-told.ts";
import { Case, type Judge } from "./judge.ts";

/**
 * Lanes have no versions: each stream begins with those that have work, whatever is told of one names turns
 * that were accepted there, and once nothing is under way no watcher takes a lane for one that has work.
 */
export const lanesWatched: Judge = (history) => {
  const about = new Case("G12", "states of lanes that watchers were told by delivery");
  const turns = turnsOf(history);
  const told = groupBy(history.seen("toldLane"), ({ value }) => value.watcher);
  for (const follower of told.values()) {
    for (const sight of follower) judgeTurns(about, sight, turns);
    const lanes = judgeBeginnings(about, follower);
    judgeEnd(history, about, follower, lanes);
  }
  return about.verdict;
};

/** Of each turn at the end, whose it is and under which key. */
function turnsOf(history: History): ReadonlyMap<string, string> {
  const found = history.values("finalTurn").map(({ turnId, tenant, key }) => {
    return [turnId, `${tenant} ${key}`] as const;
  });
  return new Map(found);
}

function judgeTurns(
  about: Case,
  { at, value }: Sight<"toldLane">,
  turns: ReadonlyMap<string, string>,
): void {
  const { key, tenant, watcher } = value;
  if (key === "") return;
  about.count();
  // A run that could not be read at its end has none.
  if (turns.size === 0) return;
  for (const turn of value.turns) {
    const whose = turns.get(turn);
    if (whose === `${tenant} ${key}`) continue;
    about.find(key, at, `${watcher} was told turn ${turn} there, which is ${whose ?? "nowhere"}`);
  }
}

/** A change comes behind the snapshot that it changes. Gives what is known by all that was told. */
function judgeBeginnings(about: Case, follower: readonly Sight<"toldLane">[]): LanesTold {
  const lanes = new LanesTold();
  for (const { at, value } of follower) {
    if (value.kind === "changed" && !lanes.isComplete) {
      about.find(value.key, at, `${value.watcher} was told a change of lanes that it did not know`);
    }
    lanes.told(value);
  }
  return lanes;
}

function judgeEnd(
  history: History,
  about: Case,
  follower: readonly Sight<"toldLane">[],
  lanes: LanesTold,
): void {
  const drained = history.values("drained");
  const last = follower.at(-1);
  // What was still under way is G13's.
  const isIdle = drained.length > 0 && drained.every(({ waiting }) => waiting.length === 0);
  if (!isIdle || last === undefined) return;
  const { watcher } = last.value;
  if (!lanes.isComplete) about.find("", last.at, `${watcher} was not told which lanes have work`);
  for (const { key, turns } of lanes.withWork) {
    about.find(key, last.at, `${watcher} was never told that it is done with ${turns.join(", ")}`);
  }
}
