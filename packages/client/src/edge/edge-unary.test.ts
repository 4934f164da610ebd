import { StaleFenceSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { errorDetail, invalid, LanekeeperError, storeUnavailable } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { asCallError, FencedCallError } from "../call-error.ts";
import { edgeAt, startEdge, startHttp } from "../testing/edge.ts";

test("a call comes with credential, label, trace and deadline, and is answered", async () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const url = await startEdge({
    getSession: async ({ session }, { tenant, requestId, deadline, traceparent: trace }) => {
      const isTimed = deadline !== undefined && deadline.getTime() - Date.now() <= 7_000;
      const parentSessionId = [tenant, requestId, isTimed, trace?.slice(3, 35)].join(" ");
      return { session: { agentId: session.value ?? "", parentSessionId, revision: 2n ** 60n } };
    },
  });
  const { session } = await edgeAt(`${url}/`).identity.getSession(
    { session: { case: "sessionKey", value: "agent:main:ä" } },
    { requestId: "label-1", timeoutMs: 7_000, traceparent },
  );
  expect(session).toMatchObject({
    agentId: "agent:main:ä",
    parentSessionId: "acme label-1 true 4bf92f3577b34da6a3ce929d0e0e4736",
    revision: 2n ** 60n,
  });
});

test("a refusal is the error that the gRPC clients throw, with its typed details", async () => {
  const current = { session: { sessionKey: "agent:main:a", generation: 5n } };
  const url = await startEdge({
    rotateSession: async () => {
      throw new LanekeeperError("STALE_GENERATION", "rotated away", {
        metadata: { generation: "5" },
        details: [errorDetail(StaleFenceSchema, { current })],
      });
    },
    getSession: async () => {
      throw invalid("session", "is required");
    },
  });
  const { identity } = edgeAt(url);
  const stale = await identity.rotateSession({}).catch((error: unknown) => error);
  expect(stale).toMatchObject({ reason: "STALE_GENERATION", message: "rotated away" });
  expect(stale).toMatchObject({ metadata: { generation: "5" }, remote: true });
  const next = asCallError(stale);
  expect(next).toBeInstanceOf(FencedCallError);
  expect(next).toMatchObject({ current });
  await expect(identity.getSession({})).rejects.toMatchObject({
    fieldViolations: [{ field: "session" }],
  });
});

test("a wrong key is UNAUTHENTICATED, a method that is not served there UNIMPLEMENTED", async () => {
  const url = await startEdge({});
  const wrong = edgeAt(url, { apiKey: "lk_wrong" });
  await expect(wrong.identity.getSession({})).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
  await expect(edgeAt(url).runner.getLane({})).rejects.toMatchObject({ codeName: "UNIMPLEMENTED" });
});

test("what cannot be answered now is asked again, with the same request", async () => {
  const asked: string[] = [];
  const url = await startEdge({
    rotateSession: async ({ requestId }) => {
      asked.push(requestId);
      if (asked.length < 3) throw storeUnavailable("no database");
      return { rotation: { note: "done" } };
    },
  });
  const { rotation } = await edgeAt(url).identity.rotateSession({ requestId: "r-1" });
  expect(rotation?.note).toBe("done");
  expect(asked).toEqual(["r-1", "r-1", "r-1"]);
});

test("what a service decided is not asked again, nor is anything with retry: false", async () => {
  let count = 0;
  const url = await startEdge({
    beginRun: async () => {
      count += 1;
      throw new LanekeeperError("SESSION_BUSY", "busy", { retryAfterMs: 1_500 });
    },
    getSession: async () => {
      count += 1;
      throw storeUnavailable("no database");
    },
  });
  const { identity } = edgeAt(url);
  await expect(identity.beginRun({})).rejects.toMatchObject({ retryAfterMs: 1_500 });
  await expect(identity.getSession({}, { retry: false })).rejects.toMatchObject({
    reason: "STORE_UNAVAILABLE",
  });
  expect(count).toBe(2);
});

test("nobody there: UNAVAILABLE, within the attempts", async () => {
  const { identity } = edgeAt("http://127.0.0.1:1");
  await expect(identity.getSession({})).rejects.toMatchObject({ codeName: "UNAVAILABLE" });
});

test("the deadline ends a call whose answer does not come", async () => {
  const url = await startHttp(() => {});
  const called = edgeAt(url).identity.getSession({}, { timeoutMs: 50 });
  await expect(called).rejects.toMatchObject({ codeName: "DEADLINE_EXCEEDED" });
});

test("whoever leaves ends the call", async () => {
  const leaving = new AbortController();
  const url = await startHttp(() => leaving.abort());
  const called = edgeAt(url).identity.getSession({}, { signal: leaving.signal });
  await expect(called).rejects.toMatchObject({ codeName: "CANCELLED" });
});

test.each([
  [502, "UNAVAILABLE"],
  [403, "PERMISSION_DENIED"],
  [500, "UNKNOWN"],
])("a proxy's page with status %i is told as %s", async (status, codeName) => {
  const url = await startHttp((_, response) => {
    response.writeHead(status, { "content-type": "text/html" }).end("<h1>no</h1>");
  });
  const called = edgeAt(url).identity.getSession({}, { retry: false });
  await expect(called).rejects.toMatchObject({ codeName });
});

test("another server's page is no answer", async () => {
  const url = await startHttp((_, response) => response.end("hello"));
  await expect(edgeAt(url).identity.getSession({})).rejects.toThrow(/is no Lanekeeper/);
});
