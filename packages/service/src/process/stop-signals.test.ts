import { expect, test } from "vitest";
import { StopSignals } from "./stop-signals.ts";

test("the first stops, its echo through npm is dropped, a person's second ends at once", () => {
  const signals = new StopSignals();
  expect(signals.judge(1_000)).toBe("stop");
  expect(signals.judge(1_003)).toBe("echo");
  expect(signals.judge(1_249)).toBe("echo");
  expect(signals.judge(1_250)).toBe("exit");
});
