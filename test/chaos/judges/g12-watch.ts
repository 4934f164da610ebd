import { groupBy, type History, type Sight } from "../history/history.ts";
import type { Told, WatchDoor } from "../history/sights.ts";
import { Case, type Judge } from "./judge.ts";
import { standings } from "./standings.ts";

/**
 * Watches at a service are ordered per key, without gaps, show nothing older after something newer, and end
 * with what stands, within what was asked for.
 */
export function watchedAt(door: WatchDoor): Judge {
  return (history) => {
    const about = new Case("G12", `states that watchers were told by ${door}, in order`);
    const all = history.seen("told").filter(({ value }) => value.door === door);
    for (const follower of groupBy(all, ({ value }) => value.watcher).values()) {
      for (const told of groupBy(seenBy(follower), ({ key }) => key).values()) {
        judgeOrder(about, told);
        judgeFilter(about, told);
      }
      judgeComplete(history, about, follower);
    }
    judgeSnapshots(history, about, all);
    return about.verdict;
  };
}

interface Seen extends Told {
  readonly at: number;
  /** How often the follower has begun anew, with a snapshot: what lies between is not told. */
  readonly beginnings: number;
}

function seenBy(follower: readonly Sight<"told">[]): Seen[] {
  let beginnings = 0;
  return follower.flatMap(({ at, value }) => {
    if (value.kind === "opened") beginnings += 1;
    return value.key === "" ? [] : [{ ...value, at, beginnings }];
  });
}

function judgeOrder(about: Case, told: readonly Seen[]): void {
  for (const [index, now] of told.entries()) {
    about.count();
    const before = told[index - 1];
    const wrong = before === undefined ? undefined : whatIsWrong(before, now);
    if (wrong === undefined || before === undefined) continue;
    const how = `${before.generation}/${before.revision} then ${now.generation}/${now.revision}`;
    about.find(now.key, now.at, `${now.watcher} was told generation/revision ${how}: ${wrong}`);
  }
}

/** Each change of a row that is told raises its revision by one. */
function whatIsWrong(before: Seen, now: Seen): string | undefined {
  if (now.revision < before.revision || now.generation < before.generation) return "older";
  if (now.kind !== "changed" || now.beginnings !== before.beginnings) return undefined;
  if (now.revision === before.revision) return now.stream === before.stream ? "twice" : undefined;
  return now.revision === before.revision + 1 ? undefined : "a gap";
}

/** Nobody is told of what it did not ask for. */
function judgeFilter(about: Case, told: readonly Seen[]): void {
  for (const { key, prefix, at, watcher } of told) {
    if (!key.startsWith(prefix)) about.find(key, at, `${watcher} asked for ${prefix} alone`);
  }
}

/**
 * A follower that goes on until all was told ends with what stands under every key, also one that was told
 * nothing before. It may know more than was read at the end, if it was told that after all had come to rest.
 */
function judgeComplete(history: History, about: Case, follower: readonly Sight<"told">[]): void {
  const [first] = follower;
  if (first === undefined) return;
  const { watcher, tenant, prefix } = first.value;
  const last = new Map(follower.map((sight) => [sight.value.key, sight]));
  const restMs = Math.max(...history.seen("drained").map(({ at }) => at), 0);
  for (const { at, value } of history.seen("finalSession")) {
    if (value.tenant !== tenant || !value.key.startsWith(prefix)) continue;
    const told = last.get(value.key);
    const revision = told?.value.revision;
    if (revision === value.revision) about.count();
    else if (told === undefined || told.value.revision < value.revision) {
      const what = `${watcher} was never told revision ${value.revision}`;
      about.find(value.key, at, `${what} (${revision ?? "nothing"})`);
    } else if (told.at < restMs) {
      const what = `${watcher} was told revision ${revision}, and ${value.revision} stands`;
      about.find(value.key, told.at, what);
    }
  }
}

/** A snapshot shows at least what somebody had been told before its stream was opened. */
function judgeSnapshots(history: History, about: Case, all: readonly Sight<"told">[]): void {
  const known = standings(history).sort((a, b) => a.end - b.end);
  const streams = groupBy(all, ({ value }) => `${value.watcher} ${value.stream}`);
  for (const stream of streams.values()) {
    const open = stream.find(({ value }) => value.kind === "opened");
    if (open === undefined) continue;
    const opened = open.at;
    const shown = new Map<string, number>();
    for (const { value } of stream) {
      if (value.kind === "snapshot") shown.set(`${value.tenant} ${value.key}`, value.generation);
    }
    // One that was cut has not shown all.
    if (!stream.some(({ value }) => value.kind === "snapshot_end")) continue;
    for (const { tenant, key, generation, end } of known) {
      if (end >= opened) break;
      if (tenant !== open.value.tenant || !key.startsWith(open.value.prefix)) continue;
      const seen = shown.get(`${tenant} ${key}`);
      if (seen !== undefined && seen >= generation) continue;
      about.find(
        key,
        opened,
        `a snapshot shows generation ${seen ?? "none"}, ${generation} was told before`,
      );
    }
  }
}
