import type { Env } from "./env.ts";

export interface UnknownVariable {
  readonly name: string;
  /** The known name that differs least, if it is near enough to be a slip of the keyboard. */
  readonly meant?: string;
}

/** At most this many letters changed, added or lost make a misspelling. */
const NEAR = 3;

/** Variables with our prefix that nothing reads: most likely misspelt, and otherwise silently without effect. */
export function unknownVariables(
  known: readonly string[],
  env: Env,
  prefix: string,
): UnknownVariable[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known);
      return meant === undefined ? { name } : { name, meant };
    });
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, distance: distance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= NEAR ? best.candidate : undefined;
}

/** Levenshtein's edit distance, row by row. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(changed, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
