import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import type { AttachTurnResponse } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { firstStreamSeq } from "../domain/stream-seq.ts";
import { TurnStream } from "./turn-stream.ts";

const never = new AbortController().signal;

const told = (text: string) => ({ case: "textDelta" as const, value: text });

/** An event's text, or its kind, with its number. */
function shown({ event, streamSeq }: AttachTurnResponse): string {
  return `${event.case === "textDelta" ? event.value : event.case}@${streamSeq}`;
}

async function all(stream: TurnStream, afterSeq = 0n): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of stream.read(afterSeq, never)) seen.push(shown(event));
  return seen;
}

test("words that nobody has looked at are one event", async () => {
  const stream = new TurnStream();
  for (const word of ["a ", "b ", "c"]) stream.emit(told(word));
  stream.emit({ case: "runBegun", value: {} });
  stream.emit(told("d"));
  stream.end({ case: "ended", value: {} });
  expect(await all(stream)).toEqual(["a b c@1", "runBegun@2", "d@3", "ended@4"]);
});

test("words that come while their reader is busy are told without waiting for more", async () => {
  const stream = new TurnStream();
  stream.emit(told("first "));
  const reader = stream.read(0n, never);
  expect(shown((await reader.next()).value as AttachTurnResponse)).toBe("first @1");
  stream.emit(told("second "));
  expect(shown((await reader.next()).value as AttachTurnResponse)).toBe("second @2");
  await reader.return(undefined);
});

test("an event has one number and one text for all who read it, and for who stores it", async () => {
  const stream = new TurnStream();
  const early = stream.read(0n, never);
  const first = early.next();
  stream.emit(told("a "));
  expect(shown((await first).value as AttachTurnResponse)).toBe("a @1");
  stream.emit(told("b "));
  stream.emit(told("c "));
  expect(stream.takePending()).toMatchObject({ firstSeq: 1n, lastSeq: 2n });
  expect(shown((await early.next()).value as AttachTurnResponse)).toBe("b c @2");
  stream.emit(told("d"));
  expect(stream.nextSeq).toBe(4n);
  stream.end({ case: "ended", value: {} });
  expect(await all(stream, 2n)).toEqual(["d@3", "ended@4"]);
  expect(stream.takePending()).toMatchObject({ firstSeq: 3n, lastSeq: 3n });
  await early.return(undefined);
});

test("a later run's events are numbered behind its earlier ones'", async () => {
  const stream = new TurnStream();
  stream.begin(2);
  stream.emit(told("again"));
  stream.detach();
  expect(await all(stream)).toEqual([`again@${firstStreamSeq(2)}`]);
});

test("who waits for the whole answer is woken by no text, and gets it with what comes next", async () => {
  const stream = new TurnStream();
  const patient = stream.read(0n, never, { isPatient: true });
  const busy = stream.read(0n, never);
  const next = patient.next();
  let isWoken = false;
  void next.then(() => {
    isWoken = true;
  });
  stream.emit(told("a "));
  expect(shown((await busy.next()).value as AttachTurnResponse)).toBe("a @1");
  stream.emit(told("b"));
  expect(shown((await busy.next()).value as AttachTurnResponse)).toBe("b@2");
  expect(isWoken).toBe(false);
  stream.emit({ case: "toolActivity", value: {} });
  expect(shown((await next).value as AttachTurnResponse)).toBe("a b@2");
  expect(shown((await patient.next()).value as AttachTurnResponse)).toBe("toolActivity@3");
  stream.end({ case: "ended", value: {} });
  expect(shown((await patient.next()).value as AttachTurnResponse)).toBe("ended@4");
  expect((await patient.next()).done).toBe(true);
  await busy.return(undefined);
});

test.each([false, true])(
  "a reader who leaves while it waits is let go (patient: %s)",
  async (isPatient) => {
    const stream = new TurnStream();
    const leaving = new AbortController();
    const reader = stream.read(0n, leaving.signal, { isPatient });
    const next = reader.next();
    expect(getEventListeners(leaving.signal, "abort")).toHaveLength(1);
    leaving.abort(new Error("gone"));
    await expect(next).rejects.toThrow("gone");
    expect(stream.isRead).toBe(false);
    expect(getEventListeners(leaving.signal, "abort")).toHaveLength(0);
    await expect(stream.read(0n, leaving.signal).next()).rejects.toThrow("gone");
  },
);
