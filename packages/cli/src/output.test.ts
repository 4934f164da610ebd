import { expect, test } from "vitest";
import { rotationLine } from "./operator/session-lines.ts";
import { jsonText, printable } from "./output.ts";

test("what a terminal would obey is written out", () => {
  const note = "/new by \u001b]0;gone\u0007\u001b[2J\u009b31m\u007f\u202egnp.exe\r";
  expect(printable(rotationLine({ note } as never))).toMatch(
    /: \/new by \\u001b\]0;gone\\u0007\\u001b\[2J\\u009b31m\\u007f\\u202egnp\.exe\\u000d$/,
  );
  expect(printable("Grüße, 世界\n\tשלום 👩‍👩‍👧")).toBe("Grüße, 世界\n\tשלום 👩‍👩‍👧");
});

test("a document stays the same document", () => {
  const value = { note: "\u009b31m\u001b[2J \u202e \n \u007f" };
  const shown = printable(jsonText(value));
  for (const character of "\u009b\u001b\u202e\u007f") expect(shown).not.toContain(character);
  expect(JSON.parse(shown)).toEqual(value);
});
