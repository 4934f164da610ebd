import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeAll(async () => {
  lane = await startTestIngress({ limits: { streamCredentialMs: 20, credentialFreshMs: 20 } });
});

afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});

/** A watch of sessions over Connect; what came of it so far, and its end. */
function watch(key: string) {
  let text = "";
  const leaving = new AbortController();
  const ended = fetch(`${lane.url}/lanekeeper.identity.v1.SessionIdentityService/WatchSessions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/connect+json" },
    body: Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]),
    signal: leaving.signal,
  }).then(async ({ body }) => {
    for await (const part of body ?? []) text += Buffer.from(part).toString("latin1");
  });
  return { text: () => text, ended, leave: () => leaving.abort() };
}

describe("a stream over Connect", () => {
  test("goes on while its key is good, and ends with UNAUTHENTICATED when it is revoked", async () => {
    const key = lane.credentials.add("lk_watching_0123456789", { principal: "watching" });
    const stream = watch(key);
    await expect.poll(stream.text).toContain("snapshotEnd");
    const looked = lane.credentials.finds;
    await expect.poll(() => lane.credentials.finds).toBeGreaterThan(looked + 2);
    expect(stream.text()).not.toContain("UNAUTHENTICATED");
    lane.credentials.remove("watching");
    await stream.ended;
    expect(stream.text()).toContain("UNAUTHENTICATED");
  });

  test("that its reader has left is looked at no more", async () => {
    const key = lane.credentials.add("lk_leaving_0123456789", { principal: "leaving" });
    const stream = watch(key);
    await expect.poll(stream.text).toContain("snapshotEnd");
    stream.leave();
    await expect(stream.ended).rejects.toThrow("abort");
    let before: number;
    await expect
      .poll(async () => {
        before = lane.credentials.finds;
        // Longer than two looks: what is still looked at shows.
        await new Promise((resolve) => setTimeout(resolve, 60));
        return lane.credentials.finds - before;
      })
      .toBe(0);
  });
});
