import { expect, test } from "vitest";
import { bindings } from "../judges/g10-bindings.ts";
import type { Verdict } from "../judges/judge.ts";
import { Story } from "../testing/story.ts";
import { answered, asking, finalTurn } from "../testing/turns.ts";
import { reportLines } from "./report.ts";
import { timeline } from "./timeline.ts";

const ask = { tenant: "t", name: "k" };
const standing = { key: "agent:main:k", sessionId: "s1", generation: 1, epoch: 0 };
const { history } = new Story()
  .ok("resolve", [1_000, 1_001], ask, standing)
  .info("resolve", 1_500, ask)
  .info("turn", 1_500, asking("a", { name: "other" }))
  .ok("turn", [1_501, 1_502], asking("a", { name: "other" }), {
    ...answered("x"),
    key: "agent:main:other",
  })
  .saw("finalTurn", 3_000, finalTurn("x"))
  .saw("fault", 1_600, { kind: "kill -9", target: "runner-1", state: "begin" })
  .saw("fault", 1_700, { kind: "kill -9", target: "runner-1", state: "end" })
  .saw("fault", 1_750, { kind: "lost replies", target: "to runner-1", state: "begin" })
  .saw("fault", 1_750, { kind: "lost replies", target: "to runner-1", state: "begin" })
  .saw("fault", 1_760, { kind: "lost replies", target: "to runner-1", state: "end", hits: 2 })
  .saw("fault", 1_770, { kind: "lost replies", target: "to runner-1", state: "end", hits: 3 })
  .saw("fault", 1_780, { kind: "full disk", target: "needs root", state: "unable" })
  .saw("fault", 1_790, { kind: "half-open connections", target: "to delivery-1", state: "begin" })
  .saw("fault", 1_790, {
    kind: "half-open connections",
    target: "to delivery-1",
    state: "end",
    hits: 0,
  })
  .ok("resolve", [2_000, 2_001], ask, { ...standing, key: "agent:main:<other>" });
const broken = bindings(history);
const unseen: Verdict = { guarantee: "G13", counted: "nested turns", evidence: 0, findings: [] };
const held: Verdict = { guarantee: "G1", counted: "races", evidence: 7, findings: [] };

test("a report tells calls, faults, what held and on how much, what was not exercised, what broke", () => {
  const about = {
    repeat: "npm run chaos -- --seed 1",
    kinds: ["kill -9", "cut link", "full disk"],
  };
  const text = reportLines(history, [held, broken, unseen], about).join("\n");
  expect(text).toContain("resolve    2 ok, 0 refused, 1 unknown");
  expect(text).toContain("1 turns were asked for; 1 COMPLETED at the end, under 1 keys");
  expect(text).toContain("kill -9: 1 (runner-1)");
  expect(text).toContain("lost replies: 2, 5 hit (to runner-1)");
  expect(text).toContain("not exercised: cut link\n");
  expect(text).toContain("not exercised: full disk (needs root)");
  expect(text).toContain("not exercised: half-open connections\n");
  expect(text).toMatch(/G1 +held +7 races/);
  expect(text).toMatch(/G10 +BROKEN +1 /);
  expect(text).toMatch(/G13 +not exercised +0 nested turns/);
  expect(text).toContain("G10 at 2.001 s agent:main:k: t k was bound to");
  expect(text).toContain("repeat with: npm run chaos -- --seed 1");
});

test("a picture of a finding has a bar for each call about its key, and the faults", () => {
  const [finding] = broken.findings;
  if (finding === undefined) throw new Error("the story breaks G10");
  const svg = timeline(history, finding);
  expect(svg.match(/<title>/g)).toHaveLength(1);
  expect(svg).toContain("kill -9: runner-1");
  expect(svg).toContain("agent:main:&lt;other&gt;");
  expect(svg).not.toContain("<other>");
});
