import { describe, expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

describe("createMetrics", () => {
  test("names are prefixed, lines labelled with the service", async () => {
    const metrics = createMetrics("runner", { ofProcess: false });
    metrics.counter("stale_total", "Refused writes.", ["reason"]).inc({ reason: "TAKEN_OVER" });
    metrics.gauge("lanes", "Lanes.").set(4);
    metrics.histogram("turn_wait_seconds", "Wait.", [], [1, 2]).observe(1.5);
    const text = await metrics.registry.metrics();
    expect(text).toContain('lanekeeper_stale_total{reason="TAKEN_OVER",service="runner"} 1');
    expect(text).toContain('lanekeeper_lanes{service="runner"} 4');
    expect(text).toMatch(/lanekeeper_turn_wait_seconds_bucket\{le="2",service="runner"\} 1/);
  });

  test("a label that was not declared does not compile", () => {
    const stale = createMetrics("runner", { ofProcess: false }).counter("s_total", "S.", [
      "reason",
    ]);
    // @ts-expect-error reasons is not a label
    expect(() => stale.inc({ reasons: "x" })).toThrow();
  });

  test("two services in one process do not meet", async () => {
    const make = () => createMetrics("a", { ofProcess: false });
    make().counter("x_total", "X.").inc();
    expect(await make().registry.metrics()).not.toContain("x_total");
  });

  test("the process' own metrics are there", async () => {
    expect(await createMetrics("runner").registry.metrics()).toContain("process_cpu_seconds_total");
  });
});
