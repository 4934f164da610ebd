import { once } from "node:events";
import { connect } from "node:http2";
import { apiKeyCredential, createIngressClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CLUSTER_SECRET } from "../testing/stand-in-server.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeAll(async () => {
  lane = await startTestIngress();
});

afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});

const client = (credential: { authorization: string }) =>
  createIngressClient({ target: `127.0.0.1:${lane.ingress.grpcPort}`, credential });

describe("the gRPC port", () => {
  test("takes API keys, for the tenant that they are of", async () => {
    using caller = client(apiKeyCredential(lane.apiKey));
    const told = await caller.getCaller({}, { tenant: "victim", scopes: ["admin"] });
    expect(told).toMatchObject({ tenant: "default", sessionKeyPrefixes: [] });
  });

  test("asks an API key for its scope, as Connect does", async () => {
    using caller = client(
      apiKeyCredential(lane.credentials.add("lk_chat_only", { scopes: ["chat"] })),
    );
    await expect(caller.listRequests({})).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    await expect(caller.getCaller({})).resolves.toMatchObject({ scopes: ["chat"] });
  });

  test("takes the operator's program by its service identity, for the tenant that it names", async () => {
    using caller = client(serviceCredential("cli", CLUSTER_SECRET));
    for (const name of ["requestId", "traceId", "turnId"]) {
      const odd = caller.listRequests({ [name]: "\0" }, { tenant: "acme" });
      await expect(odd).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
    }
    await expect(caller.listRequests({}, { tenant: "acme" })).resolves.toMatchObject({
      requests: [],
    });
  });

  test.each([
    ["an unknown key", "Bearer lk_wrong", "UNAUTHENTICATED"],
    ["a forged service identity", "Bearer lks1.cli.forged", "UNAUTHENTICATED"],
    ["nothing", "", "UNAUTHENTICATED"],
  ])("refuses %s", async (_what, authorization, reason) => {
    using caller = client({ authorization });
    await expect(caller.getCaller({})).rejects.toMatchObject({ reason });
  });

  test("refuses services that have no business here", async () => {
    using caller = client(serviceCredential("delivery", CLUSTER_SECRET));
    const listed = caller.listRequests({}, { tenant: "acme" });
    await expect(listed).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  });

  test("says STORE_UNAVAILABLE while the request log cannot be read", async () => {
    using caller = client(apiKeyCredential(lane.apiKey));
    lane.requests.isDown = true;
    const listed = caller.listRequests({}, { retry: false });
    await expect(listed).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    lane.requests.isDown = false;
  });

  test.each(["", "Bearer lk_wrong", "Bearer lks1.cli.forged"])(
    "reads nothing of a request whose credential is not known: %j",
    async (authorization) => {
      const session = connect(`http://127.0.0.1:${lane.ingress.grpcPort}`);
      onTestFinished(() => session.destroy());
      const stream = session.request({
        ":method": "POST",
        ":path": "/lanekeeper.ingress.v1.IngressService/ListRequests",
        "content-type": "application/grpc",
        te: "trailers",
        authorization,
      });
      // Of a message of 1 MiB the first bytes, and no end.
      stream.on("error", () => undefined).write(Buffer.from([0, 0, 0x10, 0, 0, 1]));
      const [headers] = (await once(stream, "response")) as [Record<string, string>];
      const trailers =
        headers["grpc-status"] === undefined ? await once(stream, "trailers") : [headers];
      expect(trailers[0]).toMatchObject({ "grpc-status": expect.stringMatching(/^16$/) });
    },
  );
});
