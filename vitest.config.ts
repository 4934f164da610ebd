import { defineConfig } from "vitest/config";

/** Tests of what a process has once, such as its timers, environment and globals: each has one to itself. */
const ALONE = "{packages,services}/*/src/**/*.alone.test.ts";

export default defineConfig({
  test: {
    globalSetup: "test/support/postgres-template.ts",
    projects: [
      {
        test: {
          name: "unit",
          include: ["{packages,services}/*/src/**/*.test.ts"],
          exclude: ["**/*.system.test.ts", ALONE],
          // One process runs file after file: loading everything for each takes longer than its tests.
          isolate: false,
          // Some start processes, which on a busy machine of two cores takes seconds each.
          testTimeout: 30_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "alone",
          include: [ALONE],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // A constellation of six processes each, after everything else.
        test: {
          name: "system",
          include: ["test/**/*.test.ts", "packages/*/src/**/*.system.test.ts"],
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
