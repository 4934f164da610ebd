import { expect, test } from "vitest";
import { captureLog } from "../testing/capture-log.ts";
import { countCalls, logInternalErrors } from "./calls.ts";
import { createMetrics } from "./metrics.ts";

test("calls are counted by side, method and answer, and measured by side and method", async () => {
  const metrics = createMetrics("delivery", { ofProcess: false });
  const count = countCalls(metrics);
  const call = { side: "server", transport: "grpc", service: "a.Lanes", method: "Get" } as const;
  const away = { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" };
  for (const peer of ["ingress", "ingress", "cli"]) {
    count({ ...call, peer, code: "OK", reason: "", durationMs: 30 });
  }
  count({ ...call, side: "client", peer: "127.0.0.1:7102", ...away, durationMs: 1_000 });
  const told = (await metrics.registry.metrics()).split("\n");
  const server = 'side="server",transport="grpc",rpc_service="a.Lanes",method="Get"';
  const client = server.replace("server", "client");
  const service = 'service="delivery"';
  expect(told).toEqual(
    expect.arrayContaining([
      `lanekeeper_rpc_calls_total{${server},peer="ingress",code="OK",reason="",${service}} 2`,
      `lanekeeper_rpc_calls_total{${server},peer="cli",code="OK",reason="",${service}} 1`,
      `lanekeeper_rpc_calls_total{${client},peer="127.0.0.1:7102",code="UNAVAILABLE",reason="STORE_UNAVAILABLE",${service}} 1`,
      `lanekeeper_rpc_duration_seconds_sum{${service},${server}} 0.09`,
      `lanekeeper_rpc_duration_seconds_count{${service},${client}} 1`,
    ]),
  );
});

test("an internal error is logged whole, in its trace, under the id that its caller was told", () => {
  const { log, lines } = captureLog();
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const about = { errorId: "e-1", method: "a.Lanes/Get", requestId: "label-7", tenant: "acme" };
  const traceparent = `00-${trace}-b7ad6b7169203331-01`;
  logInternalErrors(log)({ ...about, error: new Error("a defect"), traceparent });
  expect(lines).toEqual([
    expect.objectContaining({
      ...{ level: "error", msg: "internal error", trace_id: trace, error_id: "e-1" },
      ...{ method: "a.Lanes/Get", request_id: "label-7", tenant: "acme" },
      err: expect.objectContaining({ message: "a defect" }),
    }),
  ]);
});
