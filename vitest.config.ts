import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["{packages,services}/*/src/**/*.test.ts"],
          exclude: ["**/*.system.test.ts"],
          // Some start processes, which on a busy machine of two cores takes seconds each.
          testTimeout: 30_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
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
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
