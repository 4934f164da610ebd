import { describe, expect, test } from "vitest";
import { readAlertRules, selectorsOf, toldMetrics } from "../../support/alert-rules.ts";
import type { Guide } from "./guide.ts";

/** docs/operations/alerts.yaml, pasted. */
export function alertRules(guide: Guide): void {
  describe("docs/operations/alerts.yaml", () => {
    const rules = readAlertRules("docs/operations/alerts.yaml");

    test("every metric and label that a rule asks for is told by the real services", async () => {
      const { services } = await guide.lanekeeper.state();
      const pages = Object.values(services).map(async ({ admin }) =>
        (await fetch(`${admin}/metrics`)).text(),
      );
      const told = toldMetrics((await Promise.all(pages)).join("\n"));
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
  });
}
