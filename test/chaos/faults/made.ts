import { groupBy, type History } from "../history/history.ts";

/** What the record says of one kind of fault. */
export interface MadeFault {
  readonly kind: string;
  /** Of each time that it was begun. */
  readonly targets: readonly string[];
  /** What was hit, all in all; undefined where that is not counted. */
  readonly hits: number | undefined;
  /** Why this machine cannot make it; undefined: it can, or nobody tried. */
  readonly unable: string | undefined;
  /** Begun, and not in vain each time. */
  readonly isMade: boolean;
}

/** Of each of these kinds, and of all others that were seen. */
export function madeFaults(history: History, kinds: readonly string[]): readonly MadeFault[] {
  const seen = groupBy(history.values("fault"), ({ kind }) => kind);
  return [...new Set([...kinds, ...seen.keys()])].map((kind) => {
    const faults = seen.get(kind) ?? [];
    const targets = faults.filter(({ state }) => state === "begin").map(({ target }) => target);
    const counts = faults.flatMap(({ hits }) => hits ?? []);
    const sum = counts.reduce((all, count) => all + count, 0);
    const isInVain = counts.length === targets.length && sum === 0;
    return {
      ...{ kind, targets, hits: counts.length > 0 ? sum : undefined },
      unable: faults.find(({ state }) => state === "unable")?.target,
      isMade: targets.length > 0 && !isInVain,
    };
  });
}
