import { once } from "node:events";
import fs, { openSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { logOutput } from "./log-output.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("a line is written within 50 ms, and a process that says nothing writes nothing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-log-"));
  const file = join(folder, "log");
  const written = vi.spyOn(fs, "write");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  const output = logOutput(openSync(file, "w"));
  for (const line of ["one\n", "two\n"]) {
    output.write(line);
    const saved = once(output, "drain");
    vi.advanceTimersByTime(49);
    expect(written).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    await saved;
    expect(written).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(10_000);
    expect(written).toHaveBeenCalledTimes(1);
    written.mockClear();
  }
  output.destroy();
  expect(await readFile(file, "utf8")).toBe("one\ntwo\n");
  await rm(folder, { recursive: true });
});

test("a line that comes while others are being written is not left behind", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-log-"));
  const file = join(folder, "log");
  const output = logOutput(openSync(file, "w"));
  const real = fs.write;
  let finish: (() => void) | undefined;
  const slow = ((...args: unknown[]): void => {
    finish = () => Reflect.apply(real, fs, args);
  }) as typeof fs.write;
  vi.spyOn(fs, "write").mockImplementationOnce(slow);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  output.write("one\n");
  vi.advanceTimersByTime(50);
  output.write("two\n");
  // The flush that is due for it finds the first under way.
  vi.advanceTimersByTime(100);
  const first = once(output, "drain");
  finish?.();
  await first;
  const second = once(output, "drain");
  vi.advanceTimersByTime(50);
  await second;
  expect(await readFile(file, "utf8")).toBe("one\ntwo\n");
  output.destroy();
  await rm(folder, { recursive: true });
});
