import { describe, expect, test } from "vitest";
import { parseConfig } from "./load.ts";
import { schedulesRequest } from "./to-requests.ts";

const SCHEDULES = `
tenants:
  default:
    default_agent: main
    agents:
      main: { model: scripted }
      night: { model: scripted }
    schedules:
      report:
        cron: 0 8 * * 1-5
        message: Write the report.
      tidy:
        cron: "@daily"
        time_zone: Europe/Berlin
        agent: night
        message: Tidy up.
        on_conflict: reject
        route: 01890000-0000-7000-8000-000000000000
`;

describe("schedules", () => {
  test("become what ingress is told", () => {
    const tenant = parseConfig(SCHEDULES, "c.yaml").tenants["default"];
    if (tenant === undefined) throw new Error("no tenant");
    expect(schedulesRequest(tenant).schedules).toEqual([
      {
        ...{ scheduleId: "report", agentId: "main", cron: "0 8 * * 1-5", timeZone: "UTC" },
        ...{ message: "Write the report.", onConflict: 1, routeId: "" },
      },
      {
        ...{ scheduleId: "tidy", agentId: "night", cron: "@daily", timeZone: "Europe/Berlin" },
        ...{ message: "Tidy up.", onConflict: 2 },
        routeId: "01890000-0000-7000-8000-000000000000",
      },
    ]);
  });

  test.each([
    [
      "0 8 * * 1-5",
      "0 8 * *",
      "c.yaml:10: tenants.default.schedules.report.cron: expected another",
    ],
    ["Europe/Berlin", "Mars/Base", "c.yaml:14: tenants.default.schedules.tidy.time_zone: expected"],
    ["agent: night", "agent: day", "c.yaml:15: tenants.default.schedules.tidy.agent: expected one"],
    ["default_agent: main\n    ", "", "c.yaml:8: tenants.default.schedules.report: expected agent"],
    [
      "report:",
      "Report:",
      "c.yaml:9: tenants.default.schedules.Report: expected a schedule's name",
    ],
    ["reject", "steer", "c.yaml:17: tenants.default.schedules.tidy.on_conflict: expected"],
    ["Tidy up.", '""', "c.yaml:16: tenants.default.schedules.tidy.message: expected what"],
    ["01890000-", "a-", "c.yaml:18: tenants.default.schedules.tidy.route: expected the id"],
  ])("with %j as %j are refused with file and line", (from, to, expected) => {
    expect(() => parseConfig(SCHEDULES.replace(from, to), "c.yaml")).toThrow(expected);
  });
});
