import { Command } from "commander";
import { expect, test } from "vitest";
import { addKeys } from "./add-keys.ts";

test.each([
  [["create", "--scope", "chat", "--expires-in", "90"], "--expires-in <span>", "1m to 10 years"],
  [["create", "--scope", "chat", "--expires-in", "30s"], "--expires-in <span>", "1m to 10 years"],
  [["rotate", "k1", "--overlap", "31d"], "--overlap <span>", "0s to 30d"],
])("%j is refused by the option's name, with what is expected", async (args, option, bounds) => {
  const keys = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addKeys(keys, {
    ...{ line: () => undefined, text: () => undefined, problem: () => undefined },
    readerLeft: () => new AbortController().signal,
  });
  const refused = keys.parseAsync(args, { from: "user" });
  await expect(refused).rejects.toThrow(`option '${option}' argument '${args.at(-1)}' is invalid`);
  await expect(refused).rejects.toThrow(bounds);
});
