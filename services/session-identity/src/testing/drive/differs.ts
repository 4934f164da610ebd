import { isDeepStrictEqual } from "node:util";
import type { Answer } from "../../model/calls.ts";
import type { Seen } from "./seen.ts";

/** How an answer differs from what the contract says; undefined: not at all. */
export function differs(expected: Answer, seen: Seen): string | undefined {
  if (!fits(expected.refused, seen.reason)) {
    const wanted = expected.refused.join(" or ") || "a grant";
    return `${seen.reason ?? "a grant"}, where the contract says ${wanted}`;
  }
  const wrong = Object.entries(expected.tells).find(([name, value]) => seen.tells[name] !== value);
  if (wrong === undefined) return undefined;
  const [name, value] = wrong;
  return `${name} is ${seen.tells[name]}, where the contract says ${value}`;
}

function fits(refused: Answer["refused"], reason: Seen["reason"]): boolean {
  return reason === undefined ? refused.length === 0 : refused.includes(reason);
}

/** Answers that come from one record are equal in all that they tell (G11). */
export class Records {
  readonly #answers = new Map<string, unknown>();

  /** Whether this is the first answer of its record, or equals the first. */
  agrees(record: string | undefined, whole: unknown): boolean {
    if (record === undefined) return true;
    if (!this.#answers.has(record)) this.#answers.set(record, whole);
    return isDeepStrictEqual(this.#answers.get(record), whole);
  }
}
