import { createIdentityClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../constellation/ports/free-port.ts";
import { awaitService } from "./await-service.ts";

test("that nobody answers is said at once, again while it is waited for, and at the end with what to do", async () => {
  const target = `127.0.0.1:${await freePort("127.0.0.1")}`;
  const credential = serviceCredential("cli", "a secret of thirty-two characters");
  const client = createIdentityClient({ target, credential });
  onTestFinished(() => client.$close());
  const told: string[] = [];
  const waiting = awaitService(client, {
    service: "session-identity",
    tell: (line) => told.push(line),
    bounds: { firstMs: 20, againMs: 20, withinMs: 60 },
  });
  await expect(waiting).rejects.toThrow(
    `Nothing answers at ${target}, where session-identity should be`,
  );
  const line = `waiting for session-identity: nothing answers at ${target}`;
  expect(told).toEqual([line, line]);
});

test("who answers is not waited for, and nothing is said", async () => {
  const told: string[] = [];
  const client = { $target: "here", $ready: () => Promise.resolve() };
  await awaitService(client, { service: "runner", tell: (line) => told.push(line) });
  expect(told).toEqual([]);
});
