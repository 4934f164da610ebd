import { constants, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { ErrorInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import { StatusSchema } from "@lanekeeper/protocol/google/rpc/status";
import { expect, test, vi } from "vitest";
import { HintSchema } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { Code } from "./code.ts";
import { invalid, later } from "./constructors.ts";
import { errorInfo } from "./error-details.ts";
import { fromGrpcError, fromStatus } from "./from-status.ts";
import { isRetryable } from "./is-retryable.ts";
import { hasReason, LanekeeperError } from "./lanekeeper-error.ts";
import { errorDetail, RpcError } from "./rpc-error.ts";
import { SERVICE_IDENTITY, toStatus } from "./to-status.ts";

test("a refusal comes back with its reason, metadata, typed detail, wait and fields", () => {
  const sent = new LanekeeperError("SESSION_BUSY", "a run holds the key", {
    metadata: { run_id: "r1" },
    details: [errorDetail(HintSchema, { text: "wait", number: 3n })],
    fieldViolations: [{ field: "session_key", description: "is held" }],
    retryAfterMs: 1_500,
  });
  const got = fromStatus(toStatus(sent)) as LanekeeperError;
  expect(got).toBeInstanceOf(LanekeeperError);
  expect(got.reason).toBe("SESSION_BUSY");
  expect(got.code).toBe(Code.ABORTED);
  expect(got.message).toBe("a run holds the key");
  expect(got.metadata).toEqual({ run_id: "r1" });
  expect(got.detail(HintSchema)).toMatchObject({ text: "wait", number: 3n });
  expect(got.retryAfterMs).toBe(1_500);
  expect(got.fieldViolations).toEqual([{ field: "session_key", description: "is held" }]);
});

test("a refusal that is passed on keeps each detail once", () => {
  const once = toStatus(invalid("agent_id", "is empty"));
  const twice = toStatus(fromStatus(once));
  expect(twice).toEqual(once);
});

test("every status of a refusal has ErrorInfo first, in our domain", () => {
  const status = toStatus(later("QUEUE_FULL", "full", 10));
  expect(status.details[0]?.typeUrl).toBe("type.googleapis.com/google.rpc.ErrorInfo");
  expect(fromStatus(status).detail(ErrorInfoSchema)).toMatchObject({
    reason: "QUEUE_FULL",
    domain: "lanekeeper",
  });
});

test("an error that no reason stands for tells its id and nothing of itself", () => {
  const onInternal = vi.fn();
  const bug = new Error("duplicate key (email)=(a@b.example)");
  const got = fromStatus(toStatus(bug, onInternal)) as LanekeeperError;
  const errorId = got.metadata["error_id"] ?? "";
  expect(got.reason).toBe("INTERNAL");
  expect(got.message).toContain(errorId);
  expect(JSON.stringify(toStatus(bug))).not.toContain("a@b.example");
  expect(onInternal.mock.calls).toEqual([[errorId, bug]]);
});

test("an INTERNAL of a service further down keeps the id under which it was logged", () => {
  const onInternal = vi.fn();
  const below = fromStatus(toStatus(new Error("x"))) as LanekeeperError;
  const got = fromStatus(toStatus(below, onInternal)) as LanekeeperError;
  expect(got.metadata).toEqual(below.metadata);
  expect(onInternal).not.toHaveBeenCalled();
});

test("our own service credential being refused does not tell the caller to log in", () => {
  const refused = new LanekeeperError("UNAUTHENTICATED", "unknown token", {
    metadata: { [SERVICE_IDENTITY]: "unknown" },
  });
  const atTheClient = fromStatus(toStatus(refused));
  expect(atTheClient).toMatchObject({ reason: "UNAUTHENTICATED" });
  expect(fromStatus(toStatus(atTheClient, () => {}))).toMatchObject({ reason: "INTERNAL" });
});

test("a service that cannot be reached makes the call above retryable, without its address", () => {
  const status = toStatus(new RpcError(Code.UNAVAILABLE, "connect ECONNREFUSED 10.0.0.7:7101"));
  const got = fromStatus(status);
  expect(got).toMatchObject({ reason: "STORE_UNAVAILABLE", code: Code.UNAVAILABLE });
  expect(got.message).not.toContain("10.0.0.7");
});

test("a reason of a later release is an RpcError that keeps code and details", () => {
  const details = [errorInfo("INVENTED_LATER", {})];
  const got = fromStatus(create(StatusSchema, { code: Code.ABORTED, message: "m", details }));
  expect(got).not.toBeInstanceOf(LanekeeperError);
  expect(got.code).toBe(Code.ABORTED);
  expect(got.detail(ErrorInfoSchema)?.reason).toBe("INVENTED_LATER");
});

test("a lone surrogate in a message does not reach encodeURI, which throws on it", () => {
  const status = toStatus(invalid("text", "has \ud800 in it"));
  expect(() => encodeURI(status.message)).not.toThrow();
});

test("a long message is cut, so that it fits into a trailer", () => {
  expect(toStatus(invalid("text", "x".repeat(100_000))).message.length).toBe(1_024);
});

test("isRetryable: nobody answered, DRAINING, or a deadline that no service decided", () => {
  const decided = [errorInfo("WAIT_EXPIRED", {})];
  expect(isRetryable(new RpcError(Code.UNAVAILABLE, ""))).toBe(true);
  expect(isRetryable(new LanekeeperError("DRAINING", ""))).toBe(true);
  expect(isRetryable(new RpcError(Code.DEADLINE_EXCEEDED, ""))).toBe(true);
  expect(isRetryable(new RpcError(Code.DEADLINE_EXCEEDED, "", { details: decided }))).toBe(false);
  expect(isRetryable(fromStatus(toStatus(new LanekeeperError("WAIT_EXPIRED", ""))))).toBe(false);
  expect(isRetryable(new LanekeeperError("SESSION_BUSY", ""))).toBe(false);
  expect(isRetryable(new RpcError(Code.INTERNAL, ""))).toBe(false);
  expect(isRetryable(new Error("UNAVAILABLE"))).toBe(false);
});

test("a trailer that does not decode leaves code and text", () => {
  const metadata = { get: () => [Buffer.from([0xff, 0xff, 0xff])] };
  expect(fromGrpcError({ code: 5, details: "gone", metadata })).toMatchObject({
    code: Code.NOT_FOUND,
    message: "gone",
  });
});

test("a call that is cut off before any status came is one to ask again", async () => {
  const server = createServer().on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.close(constants.NGHTTP2_NO_ERROR);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const raw = (bytes: Buffer) => bytes;
  const error = await new Promise<ServiceError | null>((resolve) =>
    client.makeUnaryRequest("/a.Service/Call", raw, raw, Buffer.alloc(0), resolve),
  );
  client.close();
  server.close();
  expect(error?.code).toBe(Code.INTERNAL);
  const got = error === null ? undefined : fromGrpcError(error);
  expect(got).toMatchObject({ code: Code.UNAVAILABLE, message: error?.details });
  expect(isRetryable(got)).toBe(true);
});

test("an error that has another reason is still a refusal to the compiler", () => {
  const error: LanekeeperError = invalid("text", "is empty");
  if (hasReason(error, "NOT_FOUND") || isRetryable(error)) throw new Error("neither");
  expect(error.reason).toBe("INVALID_REQUEST");
});

test("a wait of a fraction of a millisecond does not break the answer that tells it", () => {
  const got = fromStatus(toStatus(later("QUEUE_FULL", "later", 12.3)));
  expect(got).toMatchObject({ retryAfterMs: 13 });
});
