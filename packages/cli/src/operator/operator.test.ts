import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { hasReason } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { explainLines } from "./explain-lines.ts";
import { createOperator } from "./operator.ts";

const { getLane } = RunnerService.method;

async function door(status: number, body: unknown) {
  const seen: { url: string | undefined; authorization: string | undefined; body: string }[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => {
      seen.push({ url: request.url, authorization: request.headers.authorization, body: text });
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${port}`, seen, [Symbol.asyncDispose]: stop };
}

test("a call is Connect's unary JSON, int64 and unknown fields included", async () => {
  await using at = await door(200, { lane: { sessionKey: "agent:main:a", depth: 2, newer: 1 } });
  const answer = await createOperator(at.url, "lk_x").call(getLane, { sessionKey: "agent:main:a" });
  expect(answer.lane?.depth).toBe(2);
  expect(at.seen).toEqual([
    {
      url: "/lanekeeper.runner.v1.RunnerService/GetLane",
      authorization: "Bearer lk_x",
      body: '{"sessionKey":"agent:main:a"}',
    },
  ]);
});

test("a name that would be refused could not be explained: its reason is a typed detail of the answer", async () => {
  const detail = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "MALFORMED_KEY" };
  await using at = await door(200, { refusal: { code: 3, message: "no", details: [detail] } });
  const { explainKey } = SessionIdentityService.method;
  const answer = await createOperator(at.url, "k").call(explainKey, {
    name: { case: "rawKey", value: "agent:main" },
  });
  expect(explainLines(answer)).toContain("a call with this name is refused: no");
  const [packed] = answer.refusal?.details ?? [];
  expect(packed && anyUnpack(packed, ErrorInfoSchema)?.reason).toBe("MALFORMED_KEY");
});

test("a refusal comes with its reason", async () => {
  const info = create(ErrorInfoSchema, { reason: "PERMISSION_DENIED", domain: "lanekeeper" });
  const value = Buffer.from(toBinary(ErrorInfoSchema, info)).toString("base64").replace(/=+$/, "");
  const details = [{ type: "google.rpc.ErrorInfo", value }];
  await using at = await door(403, { code: "permission_denied", message: "not yours", details });
  const error = await createOperator(at.url, "k")
    .call(getLane, {})
    .catch((thrown: unknown) => thrown);
  expect(hasReason(error, "PERMISSION_DENIED")).toBe(true);
  expect((error as Error).message).toBe("not yours");
});

test("something else at the address is told as such", async () => {
  await using at = await door(404, "<html>");
  await expect(createOperator(at.url, "k").call(getLane, {})).rejects.toThrow(
    "is it a Lanekeeper?",
  );
});

test("nobody there: says how to start it", async () => {
  const at = await door(200, {});
  await at[Symbol.asyncDispose]();
  await expect(createOperator(at.url, "k").call(getLane, {})).rejects.toThrow(
    'start Lanekeeper with "npm start"',
  );
});
