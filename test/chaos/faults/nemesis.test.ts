import { expect, test } from "vitest";
import type { Scene } from "../clients/scene.ts";
import type { SightName, Sights } from "../history/sights.ts";
import { Story } from "../testing/story.ts";
import type { Fault, FaultPlan } from "./fault.ts";
import { madeFaults } from "./made.ts";
import { breakThings } from "./nemesis.ts";

const NO_CALM = { leastMs: 0, moreMs: 0 };

/** A scene in which nothing is broken, and what is noted of it. */
function nothing(seed = 7) {
  const story = new Story();
  let at = 0;
  const saw = <F extends SightName>(f: F, value: Sights[F]) => void story.saw(f, (at += 1), value);
  const over = new AbortController();
  const scene = { seed, over: over.signal, cluster: {}, recorder: { saw } } as unknown as Scene;
  return { scene, over, story };
}

/** Hits what it does one time after the other, and then as the last time. */
function fault(kind: string, ...hits: (number | undefined)[]): Fault {
  let n = 0;
  const inflict = async () => hits[Math.min((n += 1), hits.length) - 1];
  return { kind, plan: () => ({ target: "x", inflict }) as FaultPlan };
}

/** The kinds in the order in which they were begun, until each was made. */
async function untilMade(...faults: Fault[]) {
  const { scene, over, story } = nothing();
  const { made, ended } = breakThings(scene, [faults], NO_CALM);
  await made;
  over.abort();
  await ended;
  return story.history;
}

const begun = (history: Story["history"]) =>
  history
    .values("fault")
    .filter(({ state }) => state === "begin")
    .map(({ kind }) => kind);

test("each fault comes once, in an order that follows from the seed", async () => {
  const kinds = ["a", "b", "c", "d", "e", "f"];
  const once = begun(await untilMade(...kinds.map((kind) => fault(kind, undefined))));
  expect(once.toSorted()).toEqual(kinds);
  expect(begun(await untilMade(...kinds.map((kind) => fault(kind, undefined))))).toEqual(once);
});

test("one that hits nothing comes again behind the others, until it hits something", async () => {
  const history = await untilMade(fault("missing", 0, 0, 3), fault("a", 1), fault("b", undefined));
  const order = begun(history);
  expect(order.slice(-2)).toEqual(["missing", "missing"]);
  expect(order.filter((kind) => kind === "missing")).toHaveLength(3);
  expect(order).toHaveLength(5);
  const made = madeFaults(history, ["missing"]).find(({ kind }) => kind === "missing");
  expect(made).toMatchObject({ isMade: true, hits: 3 });
});

test("one that never hits anything does not keep the others from coming again, and is not made", async () => {
  const { scene, over, story } = nothing();
  let times = 0;
  const inflict = async () => {
    if ((times += 1) === 3) over.abort();
  };
  const other: Fault = { kind: "a", plan: () => ({ target: "x", inflict }) };
  const { ended } = breakThings(scene, [[fault("never", 0), other]], NO_CALM);
  await ended;
  expect(times).toBe(3);
  const [never, a] = madeFaults(story.history, ["never", "a", "unknown"]);
  expect([never?.isMade, never?.hits, a?.isMade]).toEqual([false, 0, true]);
  expect(never?.targets.length).toBeGreaterThanOrEqual(4);
});

test("one that the machine cannot make is named, and nobody waits for it", async () => {
  const history = await untilMade({ kind: "disk", plan: () => "needs root" }, fault("a", 1));
  const kinds = madeFaults(history, ["disk", "a", "forgotten"]);
  expect(kinds.map(({ kind, isMade, unable }) => [kind, isMade, unable])).toEqual([
    ["disk", false, "needs root"],
    ["a", true, undefined],
    ["forgotten", false, undefined],
  ]);
});

test("where there is nothing to be made, nobody waits", async () => {
  const { scene } = nothing();
  const { made, ended } = breakThings(scene, [], NO_CALM);
  await Promise.all([made, ended]);
});
