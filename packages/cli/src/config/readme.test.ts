import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parseConfig } from "./load.ts";

test("the configuration that the README shows can be applied", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const shown = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  expect(Object.keys(parseConfig(shown, "README.md").tenants)).toEqual(["default"]);
});
