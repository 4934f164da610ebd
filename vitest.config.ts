import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

/** Tests of what a process has once, such as its timers, environment and globals: each has one to itself. */
const ALONE = "{packages,services}/*/src/**/*.alone.test.ts";

/**
 * How long a test may wait: for what will come, but late on a machine with other work, where a
 * process or a database takes seconds to start. None of it is waited for in vain but by a failure.
 */
const PATIENT = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  // Vitest's own is 1 s.
  expect: { poll: { timeout: 30_000 } },
};

export default defineConfig({
  test: {
    globalSetup: "test/support/postgres-template.ts",
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...PATIENT,
          name: "unit",
          include: ["{packages,services}/*/src/**/*.test.ts"],
          exclude: ["**/*.system.test.ts", ALONE],
          // One process runs file after file: loading everything for each takes longer than its tests.
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...PATIENT,
          name: "alone",
          include: [ALONE],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // A constellation of six processes each, after everything else. As in `unit`, modules are loaded once a process.
        test: {
          ...PATIENT,
          name: "system",
          include: ["test/**/*.test.ts", "packages/*/src/**/*.system.test.ts"],
          maxWorkers: 2,
          hookTimeout: 180_000,
          isolate: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
