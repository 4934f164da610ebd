import { randomUUID } from "node:crypto";
import { expect, test, vi } from "vitest";
import { RULES } from "../../names/rules.ts";
import { testDatabase } from "../../testing/database.ts";
import { applyPolicies } from "./apply-policies.ts";

const database = testDatabase();

test("policies are journalled at the time from which they hold, whatever this process' clock says", async () => {
  const db = database.open();
  const tenant = `t-${randomUUID()}`;
  const asker = { source: "cli", principal: "operator", requestId: "", traceId: "" };
  const replica = { usageShard: 0, rules: RULES };
  vi.spyOn(Date, "now").mockReturnValue(0);
  try {
    await applyPolicies(db, tenant, { defaultAgentId: "", policies: [] }, asker, replica);
  } finally {
    vi.restoreAllMocks();
  }
  const { rows } = await db.query(
    `select abs(extract(epoch from j.create_time - t.apply_time)) < 0.002 as same
     from journal j join tenant_policies t using (tenant)
     where tenant = $1 and operation = 'apply_policies'`,
    [tenant],
  );
  expect(rows).toEqual([{ same: true }]);
});
