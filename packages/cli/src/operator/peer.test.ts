import { expect, test } from "vitest";
import { openPeer } from "./peer.ts";

test("a program that is told to end does not wait for a service that is away", async () => {
  // Nobody listens there, for the half minute that a call has.
  const away = "127.0.0.1:1";
  const stop = new AbortController();
  using peer = openPeer({
    ...{ identity: away, runner: away, ingress: away, delivery: away },
    ...{ clusterSecret: "x".repeat(32), tls: undefined, stop: stop.signal },
  });
  const ended = expect(peer.identity.getKeyPolicies({}, { tenant: "default" })).rejects.toThrow();
  // Its second attempt waits until somebody does.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const stoppedMs = performance.now();
  stop.abort();
  await ended;
  expect(performance.now() - stoppedMs).toBeLessThan(10_000);
});
