import {
  type Context,
  context,
  type ContextManager,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanOptions,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { collect, echoClient, failure, startEcho } from "../testing/echo.ts";
import { framingClient, startExchange, untilFramed } from "../testing/exchange-echo.ts";
import { contextOf, formatTraceHeaders, parseTraceHeaders } from "./trace-context.ts";

interface Recorded {
  readonly name: string;
  readonly kind: SpanKind | undefined;
  readonly parent: SpanContext | undefined;
  readonly context: SpanContext;
  readonly attributes: Record<string, unknown>;
  status?: SpanStatusCode;
  ended: boolean;
}

let spans: Recorded[] = [];

/** Keeps what an SDK would export. */
const recorder = {
  startSpan(name: string, options: SpanOptions = {}, parentContext?: Context): Span {
    const parent = parentContext && trace.getSpanContext(parentContext);
    const spanId = (spans.length + 1).toString(16).padStart(16, "0");
    const traceId = parent?.traceId ?? "1".repeat(32);
    const context = { traceId, spanId, traceFlags: 1 };
    const { kind } = options;
    const span: Recorded = { name, kind, parent, context, attributes: {}, ended: false };
    Object.assign(span.attributes, options.attributes);
    spans.push(span);
    return {
      spanContext: () => context,
      setAttribute: (key: string, value: unknown) => {
        span.attributes[key] = value;
      },
      setStatus: ({ code }: { code: SpanStatusCode }) => {
        span.status = code;
      },
      end: () => {
        span.ended = true;
      },
    } as unknown as Span;
  },
} as unknown as Tracer;

beforeEach(() => {
  spans = [];
  trace.setGlobalTracerProvider({ getTracer: () => recorder });
});

afterEach(() => trace.disable());

const service = "lanekeeper.rpctest.v1.EchoService";

test("a call has a client span and, below it, a server span", async () => {
  const { server } = await startEcho();
  await echoClient(server.address).echo({});
  const [client, atServer] = spans;
  expect(spans).toHaveLength(2);
  expect(client).toMatchObject({
    name: `${service}/Echo`,
    kind: SpanKind.CLIENT,
    parent: undefined,
    ended: true,
    attributes: { "rpc.system": "grpc", "rpc.service": service, "rpc.grpc.status_code": 0 },
  });
  expect(atServer).toMatchObject({ kind: SpanKind.SERVER, ended: true });
  expect(atServer?.parent).toMatchObject({ spanId: client?.context.spanId, isRemote: true });
});

test("a refusal marks both spans with its reason; a stream has one span", async () => {
  const { server } = await startEcho({
    routes: {
      echo: async () => {
        throw new LanekeeperError("NOT_FOUND", "none");
      },
    },
  });
  const client = echoClient(server.address);
  await failure(client.echo({}));
  for (const span of spans) {
    expect(span).toMatchObject({ status: SpanStatusCode.ERROR });
    expect(span.attributes).toMatchObject({ "error.type": "NOT_FOUND", "rpc.grpc.status_code": 5 });
  }
  spans = [];
  await collect(client.count({ count: 5 }));
  await expect.poll(() => spans.map(({ ended }) => ended)).toEqual([true, true]);
});

test("each frame has its own span, under its own caller's", async () => {
  const started = await startExchange();
  const client = framingClient(started.server.address);
  await untilFramed(client, started);
  spans = [];
  await Promise.all([client.shout({}), client.shout({})]);
  const clients = spans.filter(({ kind }) => kind === SpanKind.CLIENT);
  const servers = spans.filter(({ kind }) => kind === SpanKind.SERVER);
  expect(servers.map(({ parent }) => parent?.spanId)).toEqual(
    clients.map(({ context }) => context.spanId),
  );
  expect(servers.map(({ name, ended }) => [name, ended])).toEqual([
    [`${service}/Shout`, true],
    [`${service}/Shout`, true],
  ]);
});

const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("a traceparent is parsed and formatted, and one of a later version is understood", () => {
  const headers = { traceparent: valid, tracestate: "a=1,b=2" };
  expect(formatTraceHeaders(parseTraceHeaders(headers))).toEqual(headers);
  const later = parseTraceHeaders({ ...headers, traceparent: `01${valid.slice(2)}-more` });
  expect(later?.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
});

test("where spans are kept active, the active one comes before what a call is within", async () => {
  const { server } = await startEcho();
  const client = echoClient(server.address);
  const active = { traceId: "2".repeat(32), spanId: "3".repeat(16), traceFlags: 1 };
  const manager: ContextManager = {
    active: () => trace.setSpanContext(ROOT_CONTEXT, active),
    with: (_context, fn, thisArg, ...args) => fn.call(thisArg as never, ...args),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  await client.echo({}, { within: { traceparent: valid } });
  context.setGlobalContextManager(manager);
  onTestFinished(() => context.disable());
  await client.echo({}, { within: { traceparent: valid } });
  const clients = spans.filter(({ kind }) => kind === SpanKind.CLIENT);
  expect(clients.map(({ parent }) => parent?.spanId)).toEqual(["b7ad6b7169203331", active.spanId]);
});

test.each([
  ["nothing", undefined],
  ["no hex", valid.replace("0af", "xyz")],
  ["version ff", `ff${valid.slice(2)}`],
  ["more than version 00 has", `${valid}-more`],
  ["a trace id of zeros", `00-${"0".repeat(32)}-b7ad6b7169203331-01`],
])("%s is no context", (_, traceparent) => {
  expect(parseTraceHeaders({ traceparent, tracestate: undefined })).toBeUndefined();
  expect(trace.getSpanContext(contextOf({ traceparent, tracestate: undefined }))).toBeUndefined();
});
