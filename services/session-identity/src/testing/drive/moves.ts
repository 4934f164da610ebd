import fc from "fast-check";
import type { Settled } from "../../model/calls.ts";

/** Which of the fences that were handed out is shown, the newest first, and what is wrong with it. */
export interface FencePick {
  readonly nth: number;
  readonly forged: "no" | "generation" | "epoch" | "run" | "key";
}

/**
 * What somebody tries next. Numbers and words pick among what the story so far has to offer, so that a
 * shorter story is still one.
 */
export type Move =
  | { readonly do: "resolve"; readonly key: number }
  | {
      readonly do: "begin";
      readonly key: number;
      readonly early: boolean;
      readonly run: number;
      readonly person: boolean;
      readonly otherTurn: boolean;
      readonly admitted: "now" | "first";
      readonly required: "none" | "now" | "other";
    }
  | {
      readonly do: "event";
      readonly kind: "started" | "progress" | "ended";
      readonly fence: FencePick;
      readonly seq: number;
      readonly says: number;
    }
  | {
      readonly do: "rotate";
      readonly key: number;
      readonly early: boolean;
      readonly when: "always" | "now" | "other" | "owner";
      readonly fence: FencePick;
      readonly reason: "reset" | "compaction" | "migration";
      readonly skip: boolean;
      readonly suppress: boolean;
      readonly request: number;
    }
  | {
      readonly do: "reply";
      readonly key: number;
      readonly early: boolean;
      readonly delivery: number;
      readonly age: number;
      readonly seq: number;
      readonly state: "sending" | Settled;
    }
  | { readonly do: "check"; readonly fence: FencePick }
  | { readonly do: "check_reply"; readonly key: number; readonly age: number }
  | { readonly do: "again"; readonly nth: number };

const few = (max: number) => fc.nat({ max });
const seldom = <T>(usual: T, ...others: readonly T[]) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, ...others.map((one) => fc.constant(one)));

const key = seldom(0, 1);
/** Calls about a key that nobody resolved yet are told so; mostly somebody did. */
const early = seldom(false, true);
const fence: fc.Arbitrary<FencePick> = fc.record({
  nth: fc.oneof({ weight: 3, arbitrary: few(1) }, few(20)),
  forged: fc.oneof(
    { weight: 12, arbitrary: fc.constant("no" as const) },
    fc.constantFrom<FencePick["forged"]>("generation", "epoch", "run", "key"),
  ),
});

const resolve = fc.record({ do: fc.constant("resolve" as const), key });

const begin = fc.record({
  do: fc.constant("begin" as const),
  ...{ key, early, run: few(12), person: fc.boolean() },
  otherTurn: seldom(false, true),
  admitted: fc.constantFrom("now" as const, "first" as const),
  required: seldom<"none" | "now" | "other">("none", "now", "other"),
});

const event = fc.record({
  do: fc.constant("event" as const),
  kind: fc.constantFrom("started" as const, "progress" as const, "ended" as const),
  ...{ fence, seq: fc.integer({ min: 1, max: 6 }), says: few(1) },
});

const rotate = fc.record({
  do: fc.constant("rotate" as const),
  ...{ key, early, fence, skip: fc.boolean(), suppress: fc.boolean(), request: few(40) },
  when: fc.constantFrom<"always" | "now" | "other" | "owner">("always", "now", "other", "owner"),
  reason: fc.constantFrom("reset" as const, "compaction" as const, "migration" as const),
});

const reply = fc.record({
  do: fc.constant("reply" as const),
  ...{ key, early, delivery: few(2), age: few(2), seq: fc.integer({ min: 1, max: 6 }) },
  state: fc.oneof(
    { weight: 3, arbitrary: fc.constant("sending" as const) },
    fc.constantFrom<Settled>("sent", "failed", "unknown", "suppressed_stale"),
  ),
});

const check = fc.record({ do: fc.constant("check" as const), fence });
const checkReply = fc.record({ do: fc.constant("check_reply" as const), key, age: few(2) });
const again = fc.record({ do: fc.constant("again" as const), nth: few(8) });

export const move: fc.Arbitrary<Move> = fc.oneof(
  resolve,
  { weight: 4, arbitrary: begin },
  { weight: 6, arbitrary: event },
  { weight: 3, arbitrary: rotate },
  { weight: 4, arbitrary: reply },
  { weight: 2, arbitrary: check },
  checkReply,
  { weight: 2, arbitrary: again },
);
