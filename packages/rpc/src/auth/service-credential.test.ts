import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { SECRET } from "../testing/echo.ts";
import type { Credentials } from "./authenticator.ts";
import { serviceCredential, serviceTokenAuthenticator } from "./service-credential.ts";

const authenticator = serviceTokenAuthenticator(SECRET);

function shown(authorization: string | undefined): Credentials {
  return { authorization, header: () => undefined, certificate: () => undefined };
}

test("the token is the documented one, and tells which service it is", () => {
  const mac = createHmac("sha256", SECRET).update("lanekeeper service runner").digest("base64url");
  const { authorization } = serviceCredential("runner", SECRET);
  expect(authorization).toBe(`Bearer lks1.runner.${mac}`);
  expect(authenticator.authenticate(shown(authorization))).toEqual({
    kind: "service",
    service: "runner",
  });
});

test.each([
  ["nothing", undefined],
  ["an empty one", ""],
  ["another scheme", "Basic abc"],
  ["an API key", "Bearer sk-1234"],
  ["an unknown service", serviceCredential("runner", SECRET).authorization.replace("runner", "x")],
  [
    "the token of one service under another's name",
    serviceCredential("runner", SECRET).authorization.replace("runner", "delivery"),
  ],
  ["a token cut short", serviceCredential("runner", SECRET).authorization.slice(0, -1)],
  ["another cluster's token", serviceCredential("runner", `${SECRET}2`).authorization],
])("%s is UNAUTHENTICATED", (_, authorization) => {
  expect(() => authenticator.authenticate(shown(authorization))).toThrow(
    expect.objectContaining({ reason: "UNAUTHENTICATED" }),
  );
});

test("a short secret is refused before it protects anything", () => {
  expect(() => serviceCredential("cli", "short")).toThrow(/at least 32/);
});
