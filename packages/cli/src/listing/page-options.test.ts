import { Command } from "commander";
import { expect, test } from "vitest";
import { addPageOptions } from "./page-options.ts";

function parsed(...args: string[]): unknown {
  const command = addPageOptions(new Command("list"))
    .exitOverride()
    .configureOutput({
      writeErr: () => undefined,
    });
  return command.parse(args, { from: "user" }).opts();
}

test("a list has a limit of its own, any other, or none", () => {
  expect(parsed()).toEqual({ limit: 50 });
  expect(parsed("--limit", "100000", "--page-token", "t")).toEqual({
    ...{ limit: 100_000, pageToken: "t" },
  });
  expect(parsed("--limit", "all")).toEqual({ limit: Number.POSITIVE_INFINITY });
});

test.each(["0", "-1", "1.5", "ten", "", "1e3"])("a limit of %j is refused", (text) => {
  expect(() => parsed("--limit", text)).toThrow('expected a whole number above 0, or "all"');
});
