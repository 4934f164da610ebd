import type { Loop, Measured } from "./jobs.ts";

/** One call of one of the callers; false: there is nothing left to call for. */
export type Call = (caller: number) => Promise<unknown> | false;

/** So many callers, each with one call on the way at any time, until the time is over. */
export async function closedLoop(
  { inFlight, forMs = Infinity }: Loop,
  call: Call,
): Promise<Measured> {
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const callFrom = async (caller: number): Promise<void> => {
    for (let beganMs = startMs; beganMs - startMs < forMs; ) {
      const answer = call(caller);
      if (answer === false) return;
      await answer;
      const endedMs = performance.now();
      latenciesMs.push(endedMs - beganMs);
      beganMs = endedMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, caller) => callFrom(caller)));
  const seconds = (performance.now() - startMs) / 1_000;
  const calls = latenciesMs.length;
  return { calls, perSecond: calls / seconds, p50Ms: median(latenciesMs) };
}

function median(values: number[]): number {
  return Float64Array.from(values).sort()[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The indices of one caller: keys are dealt out, so that no two callers meet at one. */
export function dealt(
  { first, count }: { readonly first: number; readonly count: number },
  inFlight: number,
  caller: number,
): number[] {
  const indices = Array.from({ length: count }, (_, offset) => first + offset);
  return indices.filter((index) => index % inFlight === caller);
}
