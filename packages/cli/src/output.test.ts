import { expect, test, vi } from "vitest";
import { LanekeeperError } from "@lanekeeper/rpc";
import { describeError } from "./describe-error.ts";
import { rotationLine } from "./operator/session-lines.ts";
import { documentText, oneLine, printable, showJson, terminal } from "./output.ts";

test("what a terminal would obey is written out", () => {
  const note = "/new by \u001b]0;gone\u0007\u001b[2J\u009b31m\u007f\u202egnp.exe\r";
  expect(printable(rotationLine({ note } as never))).toMatch(
    /: \/new by \\u001b\]0;gone\\u0007\\u001b\[2J\\u009b31m\\u007f\\u202egnp\.exe\\u000d$/,
  );
  expect(printable("Grüße, 世界\n\tשלום 👩‍👩‍👧")).toBe("Grüße, 世界\n\tשלום 👩‍👩‍👧");
});

test("a document stays the same document", () => {
  const value = { note: "\u009b31m\u001b[2J \u202e \n \u007f" };
  const shown = printable(documentText(value));
  for (const character of "\u009b\u001b\u202e\u007f") expect(shown).not.toContain(character);
  expect(JSON.parse(shown)).toEqual(value);
});

const FORGED = "/new\n2026-01-01T00:00:00.000Z  generation 1 → 2  OPERATOR by root";

test("a note with line breaks is no line of its own", () => {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    terminal.line(rotationLine({ note: FORGED } as never));
    showJson(terminal, { note: FORGED });
    const [line, document] = write.mock.calls.map(([text]) => String(text));
    expect(line?.match(/\n/g)).toHaveLength(1);
    expect(line).toContain(String.raw`/new\n2026-01-01`);
    expect(JSON.parse(document ?? "")).toEqual({ note: FORGED });
    expect(document).toContain("{\n");
  } finally {
    write.mockRestore();
  }
});

test("nor is what a service quotes in an error", () => {
  const error = new LanekeeperError("INVALID_REQUEST", `nothing is known as ${FORGED}`);
  expect(describeError(error)).not.toContain("\n");
  expect(oneLine("a\tb")).toBe("a\tb");
});
