import type { KeyRefusal } from "./refusal.ts";
import { firstDifference } from "./text.ts";

/** What one rule did to a name, for people who ask why a name became this key. */
export interface RuleStep {
  /** The rule's name, as in this package's README. */
  readonly rule: string;
  readonly before: string;
  /** Equal to `before` where the rule changed nothing; empty where it refused. */
  readonly after: string;
  /** UTF-8 bytes into `before`: where the rule first changed the text, or what it refused. */
  readonly offset: number;
}

/** Steps being written, or undefined when nobody asked: the usual case costs nothing. */
export type Trail = RuleStep[] | undefined;

const NO_STEPS: readonly RuleStep[] = Object.freeze([]);

export function newTrail(explain: boolean | undefined): Trail {
  return explain === true ? [] : undefined;
}

export function stepsOf(trail: Trail): readonly RuleStep[] {
  return trail ?? NO_STEPS;
}

export function passed(trail: Trail, rule: string, before: string, after: string): void {
  trail?.push({ rule, before, after, offset: firstDifference(before, after) });
}

/** Notes the refusal and hands it back, so that a rule can return it in one go. */
export function failed(
  trail: Trail,
  rule: string,
  before: string,
  refusal: KeyRefusal,
): KeyRefusal {
  trail?.push({ rule, before, after: "", offset: refusal.offset });
  return refusal;
}
