import { expect, test } from "vitest";
import { allowAll } from "../auth/allow.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { serviceCredential } from "../auth/service-credential.ts";
import { unauthenticated } from "../errors/constructors.ts";
import { echoClient, echoRoutes, failure, SECRET, startEcho } from "../testing/echo.ts";
import { EchoService } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { service } from "./service-binding.ts";

test("a wrong token is UNAUTHENTICATED, over unary and over a stream", async () => {
  const { server } = await startEcho();
  const credential = serviceCredential("runner", `${SECRET}-other`);
  const client = echoClient(server.address, { credential });
  expect(await failure(client.echo({}))).toMatchObject({ reason: "UNAUTHENTICATED" });
  expect(await failure(client.count({ count: 1 }).next())).toMatchObject({
    reason: "UNAUTHENTICATED",
  });
});

test("a service that is not in a method's list is PERMISSION_DENIED there, and only there", async () => {
  const { server, reports } = await startEcho();
  const ingress = echoClient(server.address, { credential: serviceCredential("ingress", SECRET) });
  expect((await ingress.echo({ text: "x" })).text).toBe("x");
  const error = await failure(ingress.shout({ text: "x" }));
  expect(error).toMatchObject({ reason: "PERMISSION_DENIED" });
  expect(String(error)).toContain("ingress");
  expect(reports.at(-1)).toMatchObject({ method: "Shout", reason: "PERMISSION_DENIED" });
});

test("an outside caller's metadata is ignored: the authenticator's word stands", async () => {
  const authenticator: Authenticator = {
    authenticate: async ({ authorization }) => {
      if (authorization !== "Bearer sk-1") throw unauthenticated("no such key");
      const caller = { tenant: "own", principal: "sk-1", scopes: [], agents: [], keyPrefixes: [] };
      return { kind: "caller", caller };
    },
  };
  const routes = { ...echoRoutes };
  const { server } = await startEcho({ authenticator, routes });
  const credential = { authorization: "Bearer sk-1" };
  const client = echoClient(server.address, { credential, defaults: { tenant: "other" } });
  expect(await failure(client.echo({}))).toMatchObject({ reason: "PERMISSION_DENIED" });
});

test("a caller that is allowed acts for its own tenant, whatever it claims", async () => {
  const { serveGrpc } = await import("./serve-grpc.ts");
  const caller = { tenant: "own", principal: "sk-1", scopes: [], agents: [], keyPrefixes: [] };
  const server = await serveGrpc({
    host: "127.0.0.1",
    port: 0,
    authenticator: { authenticate: () => ({ kind: "caller", caller }) },
    services: [
      service({ desc: EchoService, routes: echoRoutes, allow: allowAll(EchoService, "caller") }),
    ],
  });
  try {
    const client = echoClient(server.address);
    const answer = await client.echo({}, { tenant: "other", principal: "root" });
    expect(answer).toMatchObject({ tenant: "own", principal: "sk-1" });
  } finally {
    await server.drain({ timeoutMs: 0 });
  }
});

test("a method without an allow-list does not start, one that does not exist neither", () => {
  const { shout: _, ...incomplete } = allowAll(EchoService, "runner");
  const desc = EchoService;
  const routes = echoRoutes;
  // @ts-expect-error the type asks for every method too
  expect(() => service({ desc, routes, allow: incomplete })).toThrow(/no allow-list for shout/);
  const misspelt = { ...allowAll(EchoService, "runner"), shuot: [] };
  expect(() => service({ desc, routes, allow: misspelt })).toThrow(/no method shuot/);
});

test("a service that forgets a handler does not compile", () => {
  const { echo: _, ...incomplete } = echoRoutes;
  const allow = allowAll(EchoService);
  // @ts-expect-error every RPC is required
  service({ desc: EchoService, routes: incomplete, allow });
});
