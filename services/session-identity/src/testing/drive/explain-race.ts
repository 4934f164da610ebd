import type { Call } from "../../model/calls.ts";
import type { Facts } from "../../model/facts.ts";
import { step } from "../../model/step.ts";
import { differs, Records } from "./differs.ts";
import type { Seen } from "./seen.ts";

/** One of the calls that were made at once, with what it was answered. */
export interface Raced {
  readonly call: Call;
  readonly seen: Seen;
}

/**
 * An order of the calls in which the contract gives each the answer that it got; undefined: there is
 * none, so something happened that no order explains. Gives what is known after it.
 */
export function explainRace(facts: Facts, raced: readonly Raced[]): Facts | undefined {
  return inSomeOrder(facts, raced.map(partsOf), []);
}

interface Part {
  readonly call: Call;
  /** Undefined: nobody is told of this part. */
  readonly seen: Seen | undefined;
}

/** A first contact mints, and then reads what stands there: others may come between. */
function partsOf({ call, seen }: Raced): readonly Part[] {
  if (call.do !== "resolve") return [{ call, seen }];
  return [
    { call: { do: "reserve", key: call.key }, seen: undefined },
    { call, seen },
  ];
}

function inSomeOrder(
  facts: Facts,
  left: readonly (readonly Part[])[],
  told: readonly { record: string | undefined; whole: unknown }[],
): Facts | undefined {
  if (left.length === 0) return haveEqualRepeats(told) ? facts : undefined;
  for (const [index, [part, ...rest]] of left.entries()) {
    if (part === undefined) continue;
    const { facts: next, answer } = step(facts, part.call);
    if (part.seen !== undefined && differs(answer, part.seen) !== undefined) continue;
    const others = left.flatMap((parts, n) =>
      n !== index ? [parts] : rest.length > 0 ? [rest] : [],
    );
    const record = { record: answer.record, whole: part.seen?.whole };
    const found = inSomeOrder(next, others, part.seen === undefined ? told : [...told, record]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function haveEqualRepeats(
  told: readonly { record: string | undefined; whole: unknown }[],
): boolean {
  const records = new Records();
  return told.every(({ record, whole }) => records.agrees(record, whole));
}
