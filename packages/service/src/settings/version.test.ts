import { expect, test } from "vitest";
import { packageVersion } from "./version.ts";

test("is that of the package.json next above", () => {
  expect(packageVersion(import.meta.url)).toMatch(/^\d+\.\d+\.\d+$/);
});

test("says so where there is none", () => {
  expect(() => packageVersion("file:///nowhere/main.ts")).toThrow("no package.json");
});
