import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, Socket } from "node:net";
import { context, diag, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { afterEach, describe, expect, test, vi } from "vitest";
import { startTelemetry, type Telemetry } from "./telemetry.ts";
import { captureLog } from "../testing/capture-log.ts";
import { inTrace } from "./log.ts";
import { activeTraceId, traceparentOf, withSpan } from "./trace.ts";
import { traceIdOf } from "./traceparent.ts";

const ABOUT = { service: "runner", instanceId: "r-1", version: "1.2.3" };
const SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const servers: Server[] = [];
let telemetry: Telemetry | undefined;

afterEach(async () => {
  await telemetry?.shutdown();
  telemetry = undefined;
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function collector(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(env: Record<string, string>, more: object = {}): Promise<Telemetry> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  telemetry = await startTelemetry({ ...ABOUT, env, ...more });
  return telemetry;
}

describe("without an exporter", () => {
  test.each([{}, { OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://x" }])(
    "%j: trace ids exist, nothing is recorded",
    async (env) => {
      expect((await start(env)).mode).toBe("pass-through");
      withSpan("work", {}, (span) => {
        expect(traceparentOf(span)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
        expect(span.isRecording()).toBe(false);
      });
    },
  );

  test("nothing is dialled, not even the default of localhost:4318", async () => {
    const connect = vi.spyOn(Socket.prototype, "connect");
    await start({});
    withSpan("work", {}, () => undefined);
    await telemetry?.shutdown();
    expect(connect).not.toHaveBeenCalled();
  });

  test("each root is a trace of its own", async () => {
    await start({});
    const ids = [1, 2].map(() => withSpan("work", {}, traceparentOf));
    expect(new Set(ids).size).toBe(2);
  });

  test("a caller's context goes on unchanged, its sampled flag included", async () => {
    await start({});
    const seen = withSpan("work", {}, traceparentOf, { parent: SAMPLED });
    expect(seen).toBe(SAMPLED);
  });

  test("nothing is kept active, so that no work is taken for a part of another's trace", async () => {
    await start({});
    const { log, lines } = captureLog();
    await withSpan("work", {}, async (span) => {
      log.info("of no trace");
      inTrace(log, traceparentOf(span)).info("of this one");
      await Promise.resolve();
      expect(activeTraceId()).toBeUndefined();
    });
    expect(lines.map((line) => line["trace_id"])).toEqual([
      undefined,
      expect.stringMatching(/^[0-9a-f]{32}$/),
    ]);
  });

  test("no hook is called for promises, as every AsyncLocalStorage that runs has Node 20 do", async () => {
    const made = vi.spyOn(AsyncLocalStorage.prototype, "run");
    const entered = vi.spyOn(AsyncLocalStorage.prototype, "enterWith");
    await start({});
    await withSpan("work", {}, () => Promise.resolve());
    await telemetry?.shutdown();
    expect([made.mock.calls, entered.mock.calls]).toEqual([[], []]);
  });

  test("startActiveSpan works as every tracer's does", async () => {
    await start({});
    const tracer = trace.getTracer("other");
    const ids = [
      tracer.startActiveSpan("a", traceparentOf),
      tracer.startActiveSpan("a", {}, traceparentOf),
      tracer.startActiveSpan("a", {}, context.active(), traceparentOf),
    ];
    for (const id of ids) expect(traceIdOf(id)).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("propagation", () => {
  test("injects traceparent and keeps baggage to itself", async () => {
    await start({});
    const carrier: Record<string, string> = {};
    const baggage = propagation.createBaggage({ a: { value: "b" } });
    withSpan(
      "work",
      {},
      (span) => {
        const work = trace.setSpan(ROOT_CONTEXT, span);
        propagation.inject(propagation.setBaggage(work, baggage), carrier);
      },
      { parent: SAMPLED },
    );
    expect(carrier).toEqual({ traceparent: SAMPLED });
  });

  test("OTEL_PROPAGATORS decides otherwise", async () => {
    await start({ OTEL_PROPAGATORS: "baggage" });
    expect(propagation.fields()).toEqual(["baggage"]);
  });
});

describe("with a collector", () => {
  test("spans arrive at shutdown at the latest", async () => {
    const bodies: string[] = [];
    const endpoint = await collector((request, response) => {
      request.on("data", (chunk) => bodies.push(`${request.url} ${String(chunk)}`));
      request.on("end", () => response.end("{}"));
    });
    const connect = vi.spyOn(Socket.prototype, "connect");
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" };
    expect((await start(env)).mode).toBe("exporting");
    withSpan("begin run", { tenant: "t" }, () => undefined);
    expect(await telemetry?.shutdown()).toEqual({ kind: "done" });
    expect(connect).toHaveBeenCalled();
    const body = bodies.join("");
    expect(body).toContain("/v1/traces");
    for (const word of ["begin run", "runner", "r-1", "1.2.3"]) expect(body).toContain(word);
  });

  test("one that does not answer holds the shutdown no longer than the bound", async () => {
    const endpoint = await collector(() => undefined);
    await start({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, { flushTimeoutMs: 50 });
    withSpan("work", {}, () => undefined);
    expect(await telemetry?.shutdown()).toEqual({ kind: "late" });
  });

  test("one that refuses is told in the log", async () => {
    const endpoint = await collector((_request, response) => response.writeHead(400).end());
    const { log, lines } = captureLog();
    await start({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, { log });
    withSpan("work", {}, () => undefined);
    await telemetry?.shutdown();
    expect(lines.map((line) => line["msg"])).toContain("the last spans were lost");
  });

  test("what OpenTelemetry says of itself is a log line, not text on the console", async () => {
    const { log, lines } = captureLog();
    await start({}, { log });
    diag.warn("queue full");
    expect(lines[0]).toMatchObject({
      component: "opentelemetry",
      level: "warn",
      msg: "queue full",
    });
  });
});

test("OTEL_SDK_DISABLED turns all of it off, and work still runs", async () => {
  expect((await start({ OTEL_SDK_DISABLED: "true" })).mode).toBe("off");
  const seen = withSpan("work", {}, (span) => ({ of: traceparentOf(span) }));
  expect(seen).toEqual({ of: undefined });
});
