import { expect, test } from "vitest";
import { plainText } from "./text.ts";

test("addresses are read as people do, and what is escaped as it was written", () => {
  expect(plainText("see <https://a.example/x?y=1|the page> or <mailto:b@example.com|b>")).toBe(
    "see the page (https://a.example/x?y=1) or mailto:b@example.com",
  );
  expect(plainText("<https://a.example>: 1 &lt; 2 &amp;&amp; 3 &gt; 2")).toBe(
    "https://a.example: 1 < 2 && 3 > 2",
  );
});

test.each(["<http://", "<http://a|", "<mailto:a|"])(
  "a text that opens many addresses and ends none is read at once: %s",
  (opening) => {
    const text = opening.repeat(20_000);
    const startedMs = performance.now();
    expect(plainText(text)).toBe(text);
    // By the square of its length it would take seconds.
    expect(performance.now() - startedMs).toBeLessThan(500);
  },
);
