import { expect, test } from "vitest";
import { trace } from "./trace.ts";

test.each(["", "  "])(
  "an empty id, as an unset variable gives, is refused before anybody is asked: %j",
  async (id) => {
    const lines: string[] = [];
    const output = {
      line: (text: string) => lines.push(text),
      text: (text: string) => lines.push(text),
      problem: () => undefined,
      readerLeft: () => new AbortController().signal,
    };
    await expect(trace(id, {}, output)).rejects.toThrow("The id is empty: give a request id");
    expect(lines).toEqual([]);
  },
);
