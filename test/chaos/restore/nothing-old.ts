import type { History } from "../history/history.ts";
import { Case, type Judge } from "../judges/judge.ts";
import { standings } from "../judges/standings.ts";

/** The kind of the fault that a restore is recorded as. */
export const RESTORE = "restore";

/** Nothing that was valid before a restore is accepted after it. */
export const nothingOld: Judge = (history) => {
  const about = new Case("G2", "rights of before the restore that were refused after it");
  const marks = history.seen("fault").filter(({ value }) => value.kind === RESTORE);
  const beganAt = marks.find(({ value }) => value.state === "begin")?.at;
  const endedAt = marks.find(({ value }) => value.state === "end")?.at;
  if (beganAt === undefined || endedAt === undefined) return about.verdict;
  const window = { beganAt, endedAt, known: knownBefore(history, beganAt) };
  judgeBegins(history, about, window);
  judgeWrites(history, about, window);
  judgeRotations(history, about, window);
  judgeWatches(history, about, window);
  judgeReplies(history, about, window);
  return about.verdict;
};

interface Window {
  readonly beganAt: number;
  readonly endedAt: number;
  /** The highest generation that anybody was told before, by tenant and key. */
  readonly known: ReadonlyMap<string, number>;
}

function knownBefore(history: History, beganAt: number): Map<string, number> {
  const known = new Map<string, number>();
  for (const { tenant, key, generation, end } of standings(history)) {
    const name = `${tenant} ${key}`;
    if (end < beganAt) known.set(name, Math.max(known.get(name) ?? 0, generation));
  }
  return known;
}

function judgeBegins(history: History, about: Case, { beganAt, endedAt }: Window): void {
  const old = runsOf(history, beganAt);
  for (const { ask, start, end, outcome, refused } of history.calls("begin")) {
    if (start < endedAt || !old.has(ask.run)) continue;
    if (/^(RUN_ENDED|STALE_GENERATION)$/.test(refused?.reason ?? "")) about.count();
    if (outcome === "ok") about.find(ask.key, end, `run ${ask.run} of before was granted its key`);
  }
}

/** What began before. */
function runsOf(history: History, beganAt: number): ReadonlySet<string> {
  const begun = history.answered("begin").filter(({ end }) => end < beganAt);
  return new Set(begun.map(({ ask }) => ask.run));
}

function judgeWrites(history: History, about: Case, { beganAt, endedAt }: Window): void {
  const old = runsOf(history, beganAt);
  for (const { ask, start, end, outcome, answer, refused } of history.calls("write")) {
    if (start < endedAt || !old.has(ask.run)) continue;
    if (refused?.reason === "STALE_GENERATION") about.count();
    if (outcome === "ok" && answer?.applied === true) {
      about.find(ask.key, end, `${ask.event} of run ${ask.run} of before was accepted`);
    }
  }
}

function judgeRotations(history: History, about: Case, { endedAt, known }: Window): void {
  for (const { ask, start, end, outcome, refused } of history.calls("rotate")) {
    const before = known.get(`${ask.tenant} ${ask.key}`) ?? 0;
    if (start < endedAt || ask.expected === 0 || ask.expected > before) continue;
    if (refused?.reason === "GENERATION_MISMATCH") about.count();
    if (outcome === "ok") {
      about.find(ask.key, end, `a rotation that expects generation ${ask.expected} was accepted`);
    }
  }
}

function judgeWatches(history: History, about: Case, { endedAt }: Window): void {
  for (const { ask, start, end, outcome, refused } of history.calls("resume")) {
    if (start < endedAt) continue;
    if (refused?.reason === "RESUME_TOKEN_EXPIRED") about.count();
    if (outcome === "ok") about.find("", end, `the watch of ${ask.watcher} went on`);
  }
}

/** Replies are told of by key alone; no two tenants have a route under one. */
function judgeReplies(history: History, about: Case, { endedAt, known }: Window): void {
  const generations = new Map<string, number>();
  for (const [name, generation] of known) {
    const key = name.slice(name.indexOf(" ") + 1);
    generations.set(key, Math.max(generations.get(key) ?? 0, generation));
  }
  const isOld = (key: string, generation: number) => generation <= (generations.get(key) ?? 0);
  for (const { at, value } of history.seen("posted")) {
    if (at < endedAt || !isOld(value.key, value.generation)) continue;
    about.find(value.key, at, `a reply of generation ${value.generation} went out`);
  }
  for (const { key, generation, state } of history.values("finalDelivery")) {
    if (isOld(key, generation) && /^(UNKNOWN|SUPPRESSED_STALE)$/.test(state)) about.count();
  }
}
