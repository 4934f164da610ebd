import { describe, expect, test } from "vitest";
import { readAlertRules, selectorsOf, toldMetrics } from "../../support/alert-rules.ts";
import type { Guide } from "./guide.ts";

/** docs/operations/alerts.yaml, pasted. */
export function alertRules(guide: Guide): void {
  describe("docs/operations/alerts.yaml", () => {
    const rules = readAlertRules("docs/operations/alerts.yaml");

    /** What each service tells Prometheus. */
    const pages = async () => {
      const { services } = await guide.lanekeeper.state();
      return Promise.all(
        Object.entries(services).map(async ([service, { admin }]) => {
          const text = await (await fetch(`${admin}/metrics`)).text();
          return { service, text };
        }),
      );
    };

    test("every metric and label that a rule asks for is told by the real services", async () => {
      const told = toldMetrics((await pages()).map(({ text }) => text).join("\n"));
      const selectors = rules.flatMap(({ expr }) => selectorsOf(expr));
      expect(selectors.length).toBeGreaterThan(rules.length);
      for (const { metric, labels } of selectors) {
        // Prometheus' own, of each scrape.
        if (metric === "up") continue;
        expect(told.has(metric), metric).toBe(true);
        const seen = told.get(metric) ?? new Set();
        if (seen.size > 0)
          expect([metric, ...labels.filter((one) => !seen.has(one))]).toEqual([metric]);
      }
    });

    test("every service tells of its calls, whose answers name what is away", async () => {
      for (const { service, text } of await pages()) {
        expect(toldMetrics(text).has("lanekeeper_rpc_calls_total"), service).toBe(true);
      }
    });
  });
}
