import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { CallName, Calls, Refused } from "./calls.ts";
import { type History, historyOf } from "./history.ts";
import type { Line } from "./line.ts";
import type { SightName, Sights } from "./sights.ts";

/** What became of a call that threw: a definite refusal, or a text that says why nobody knows. */
export type Judgement = Refused | string;

/** Who reached nobody does not ask again at once, or an outage fills the record. */
const OUTAGE_PAUSE_MS = 150;

/** Longer than any call may take; past it nobody knows. A client that hangs must not hang the run. */
const CALL_BOUND_MS = 20_000;

async function withinBound<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the call hangs")), CALL_BOUND_MS);
  });
  return Promise.race([work, bound]).finally(() => clearTimeout(timer));
}

/** Writes down what every client saw, by one monotonic clock, in the order in which it was seen. */
export class Recorder {
  readonly #lines: Line[] = [];
  readonly #file: WriteStream;
  readonly #startMs = performance.now();
  /** What a thrown error says of the call. */
  readonly judge: (error: unknown) => Judgement;
  readonly #unknown = new Map<string, number>();
  #ops = 0;

  private constructor(file: WriteStream, judge: (error: unknown) => Judgement) {
    this.#file = file;
    this.judge = judge;
  }

  /** `judge` tells of a thrown error whether it was a refusal. */
  static async open(path: string, judge: (error: unknown) => Judgement): Promise<Recorder> {
    await mkdir(dirname(path), { recursive: true });
    return new Recorder(createWriteStream(path), judge);
  }

  get nowMs(): number {
    return performance.now() - this.#startMs;
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }

  get history(): History {
    return historyOf(this.#lines);
  }

  /** Makes a call and records both ends of it. Undefined: it was refused, or nobody knows. */
  async call<F extends CallName>(
    f: F,
    process: string,
    ask: Calls[F]["ask"],
    work: () => Promise<Calls[F]["answer"]>,
  ): Promise<Calls[F]["answer"] | undefined> {
    const op = (this.#ops += 1);
    this.#write({ type: "invoke", at: this.nowMs, op, f, process, value: ask });
    try {
      const value = await withinBound(work());
      this.#write({ type: "ok", at: this.nowMs, op, f, process, value });
      return value;
    } catch (error) {
      const value = this.judge(error);
      const type = typeof value === "string" ? "info" : "fail";
      this.#write({ type, at: this.nowMs, op, f, process, value });
      if (type === "info") {
        this.#unknown.set(process, this.unknownOf(process) + 1);
        await sleep(OUTAGE_PAUSE_MS);
      }
      return undefined;
    }
  }

  /** How many calls of one process nobody knows the outcome of. */
  unknownOf(process: string): number {
    return this.#unknown.get(process) ?? 0;
  }

  saw<F extends SightName>(f: F, value: Sights[F]): void {
    this.#write({ type: "seen", at: this.nowMs, f, value });
  }

  async close(): Promise<void> {
    this.#file.end();
    await finished(this.#file);
  }

  #write(line: Line): void {
    const at = Math.round(line.at * 1_000) / 1_000;
    this.#lines.push({ ...line, at });
    this.#file.write(`${JSON.stringify({ ...line, at })}\n`);
  }
}
