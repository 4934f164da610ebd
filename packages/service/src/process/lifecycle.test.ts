import { describe, expect, test } from "vitest";
import { Lifecycle, type RunningService } from "./lifecycle.ts";
import { notReady, READY } from "./readiness.ts";
import { captureLog } from "../testing/capture-log.ts";

function lifecycle(bounds: { drainTimeoutMs?: number; closeTimeoutMs?: number } = {}) {
  const { log, lines } = captureLog();
  const life = new Lifecycle({ log, drainTimeoutMs: 60_000, ...bounds });
  return { life, messages: () => lines.map((line) => line["msg"]) };
}

/** Notes what happens to it, in order. */
function service(events: string[], parts: Partial<RunningService> = {}): RunningService {
  return {
    ready: () => READY,
    drain: async () => {
      events.push("drain");
    },
    [Symbol.asyncDispose]: async () => {
      events.push("close");
    },
    ...parts,
  };
}

const never = () => new Promise<never>(() => undefined);
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("an orderly life", () => {
  test("starting, ready, draining, stopped; unready before the drain begins", async () => {
    const { life } = lifecycle();
    const events: string[] = [];
    expect(await life.readiness()).toEqual(notReady("starting"));
    const drain = async () => {
      events.push(`drain while ${life.state.kind}`);
      expect(await life.readiness()).toEqual(notReady("draining: SIGTERM"));
    };
    const running = life.run(async () => service(events, { drain }));
    await turn();
    expect(life.state).toEqual({ kind: "ready" });
    expect(await life.readiness()).toEqual(READY);
    life.stop("SIGTERM");
    life.stop("SIGINT");
    expect(await running).toBe(0);
    expect(events).toEqual(["drain while draining", "close"]);
    expect(life.state).toEqual({ kind: "stopped", exitCode: 0 });
  });

  test("a service may say itself that it is not ready", async () => {
    const { life } = lifecycle();
    const running = life.run(async () => service([], { ready: () => notReady("no store") }));
    await turn();
    expect(await life.readiness()).toEqual(notReady("no store"));
    life.stop("SIGTERM");
    await running;
  });
});

describe("starting", () => {
  test("a start that fails ends with 1", async () => {
    const { life, messages } = lifecycle();
    expect(await life.run(() => Promise.reject(new Error("no store")))).toBe(1);
    expect(messages()).toContain("start failed");
  });

  test("a stop before the start keeps it from beginning", async () => {
    const { life } = lifecycle();
    let began = false;
    life.stop("SIGTERM");
    const start = async () => {
      began = true;
      return service([]);
    };
    expect(await life.run(start)).toBe(0);
    expect(began).toBe(false);
  });

  test("a start that gives up because it was told to stop is no failure", async () => {
    const { life, messages } = lifecycle();
    const running = life.run(
      () =>
        new Promise((_resolve, reject) => {
          life.stopping.addEventListener("abort", () => reject(life.stopping.reason));
        }),
    );
    life.stop("SIGINT");
    expect(await running).toBe(0);
    expect(messages()).not.toContain("start failed");
  });

  test("a service that comes up after the stop is drained and closed, and never ready", async () => {
    const { life, messages } = lifecycle();
    const events: string[] = [];
    let comeUp: (running: RunningService) => void = () => undefined;
    const running = life.run(
      () =>
        new Promise((resolve) => {
          comeUp = resolve;
        }),
    );
    life.stop("SIGTERM");
    comeUp(service(events));
    expect(await running).toBe(0);
    expect(events).toEqual(["drain", "close"]);
    expect(messages()).not.toContain("ready");
  });

  test("a start that hangs is given up after the drain timeout", async () => {
    const { life } = lifecycle({ drainTimeoutMs: 5 });
    const running = life.run(never);
    life.stop("SIGTERM");
    expect(await running).toBe(1);
  });
});

describe("stopping", () => {
  async function stopped(parts: Partial<RunningService>, bounds: object = {}) {
    const events: string[] = [];
    const { life, messages } = lifecycle(bounds);
    const running = life.run(async () => service(events, parts));
    await turn();
    life.stop("SIGTERM");
    return { code: await running, events, messages: messages() };
  }

  test("a drain that takes too long is told so, and closed all the same", async () => {
    let reason: unknown;
    const drain = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => {
        reason = signal.reason;
      });
      return never();
    };
    const { code, events, messages } = await stopped({ drain }, { drainTimeoutMs: 5 });
    expect(reason).toMatchObject({ message: "the drain timeout of 5 ms has passed" });
    expect({ code, events }).toEqual({ code: 0, events: ["close"] });
    expect(messages).toContain("drain timeout: closing with work in progress");
  });

  test.each<[string, Partial<RunningService>, string]>([
    ["a drain that rejects", { drain: () => Promise.reject(new Error("no")) }, "drain failed"],
    [
      "a close that rejects",
      { [Symbol.asyncDispose]: () => Promise.reject(new Error("no")) },
      "close failed",
    ],
    ["a close that hangs", { [Symbol.asyncDispose]: never }, "close hangs"],
    [
      "a drain that throws",
      {
        drain: () => {
          throw new Error("no");
        },
      },
      "drain failed",
    ],
  ])("%s ends with 1", async (_what, parts, message) => {
    const { code, messages } = await stopped(parts, { closeTimeoutMs: 5 });
    expect(code).toBe(1);
    expect(messages).toContain(message);
  });

  test("a drain that fails does not keep the service open", async () => {
    const { events } = await stopped({ drain: () => Promise.reject(new Error("no")) });
    expect(events).toEqual(["close"]);
  });
});
