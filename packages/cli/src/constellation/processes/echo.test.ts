import { expect, test } from "vitest";
import { EchoScanner } from "./echo.ts";

function echoed(...lines: (object | string)[]): string[] {
  const told: string[] = [];
  const scanner = new EchoScanner("delivery", (line) => told.push(line));
  const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  scanner.take(Buffer.from(`${texts.join("\n")}\n`));
  return told;
}

test("a warning tells what it is about, why, and when it is tried again", () => {
  const msg = "delivery will be tried again";
  const ids = { request_id: "r1", turn_id: "t1", delivery_id: "d1" };
  expect(
    echoed(
      { level: "warn", ...ids, error: "HTTP 500\nmore", retry_in_ms: 1_234, msg },
      { level: "warn", ...ids, delivery_id: "", error: "", retry_in_ms: 300_000, msg },
    ),
  ).toEqual([
    `delivery: warn: ${msg} (delivery_id d1, HTTP 500, again in 1.2 s)`,
    `delivery: warn: ${msg} (turn_id t1, again in 300 s)`,
  ]);
});

test("a line without any of them stays as short as it was; what is no news is not repeated", () => {
  expect(
    echoed(
      { level: "info", msg: "delivered", turn_id: "t1" },
      { level: "error", msg: "lost", err: { message: "no route" } },
      "Error: boom",
    ),
  ).toEqual(["delivery: error: lost: no route", "delivery: Error: boom"]);
});
