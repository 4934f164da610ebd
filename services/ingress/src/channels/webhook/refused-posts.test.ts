import { createHmac } from "node:crypto";
import { SignatureEncoding } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import { addAccount, CHANNEL_ENV, HELPDESK, postEvent } from "../../testing/channels.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress({ channelEnv: CHANNEL_ENV });
  addAccount(lane, HELPDESK);
});
afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const SAID = { session_key: "ticket:77", text: "Hello", sender_id: "ada" };

describe("who shows no right signature changes nothing:", () => {
  const old = new Date(Date.now() - 400_000);
  test.each([
    ["a body that was changed", { forged: JSON.stringify({ ...SAID, text: "Pay me" }) }],
    ["another secret", { secret: `whsec_${Buffer.from("x".repeat(24)).toString("base64")}` }],
    ["a post that is replayed later", { at: old }],
    ["a time of the future", { at: new Date(Date.now() + 400_000) }],
    ["a time that was changed", { headers: { "webhook-timestamp": "1600000000" } }],
    ["another id", { headers: { "webhook-id": "evt-2" } }],
    ["no signature", { headers: { "webhook-signature": "" } }],
    ["an unknown version", { headers: { "webhook-signature": "v9,AAAA" } }],
    ["an account that is not there", { path: "/channels/webhook/nobody" }],
  ])("%s", async (_what, post) => {
    const { status, json } = await postEvent(lane, SAID, post);
    expect([status, json]).toMatchObject([401, { error: { code: "UNAUTHENTICATED" } }]);
    expect(lane.identity.calls).toEqual([]);
    expect(lane.runner.calls).toEqual([]);
    expect(lane.requests.entries).toEqual([]);
  });

  test("an unset variable verifies nothing", async () => {
    addAccount(lane, { ...HELPDESK, accountId: "unset", secretEnv: "WEBHOOK_UNSET" });
    const { status } = await postEvent(lane, SAID, { path: "/channels/webhook/unset" });
    expect(status).toBe(401);
    expect(lane.log.lines).toContainEqual(
      expect.objectContaining({
        ...{ msg: "a post shows no valid signature", channel: "webhook" },
        ...{ account_id: "unset", accounts: 1, secrets: 0 },
      }),
    );
  });

  test("of two tenants with one account name, the secret says whose event it is", async () => {
    addAccount(lane, { ...HELPDESK, secretEnv: "WEBHOOK_OTHER" }, "other");
    const other = `whsec_${Buffer.from("another secret, 24 bytes").toString("base64")}`;
    await using both = await startTestIngress({
      channelEnv: { ...CHANNEL_ENV, WEBHOOK_OTHER: other },
    });
    both.accounts.accounts.push(...lane.accounts.accounts);
    await postEvent(both, SAID, { secret: other });
    expect(both.runner.calls.at(-1)?.call.tenant).toBe("other");
    await postEvent(both, SAID, { id: "evt-2" });
    expect(both.runner.calls.at(-1)?.call.tenant).toBe("default");
  });
});

describe("bad input is told by its field and changes nothing:", () => {
  test.each([
    ["no JSON", "{", "body"],
    ["a list", "[]", "body"],
    ["an unknown field", { ...SAID, sesion_key: "x" }, "sesion_key"],
    ["no name", { text: "Hi" }, "session_key"],
    ["two names", { ...SAID, peer: { kind: "direct", id: "7" } }, "session_key"],
    ["a name of another type", { session_key: 7, text: "Hi" }, "session_key"],
    ["an unknown kind", { peer: { kind: "crowd", id: "7" }, text: "Hi" }, "peer.kind"],
    ["what every object has", { peer: { kind: "constructor", id: "7" }, text: "Hi" }, "peer.kind"],
    ["an unknown field of a peer", { peer: { kind: "direct", ID: "7" }, text: "Hi" }, "peer.ID"],
    ["nothing said", { session_key: "a" }, "text"],
    ["half a character", '{"session_key":"a","text":"\\ud83d"}', "text"],
    ["an unknown command", { session_key: "a", command: "reboot" }, "command"],
    ["no time", { ...SAID, sent_at: "yesterday" }, "sent_at"],
    ["a file without a source", { ...SAID, files: [{}] }, "files[0]"],
    ["a file of this machine", { ...SAID, files: [{ uri: "file:///etc/passwd" }] }, "files[0].uri"],
    ["a file that is no base64", { ...SAID, files: [{ data: "%" }] }, "files[0].data"],
    ["too many files", { ...SAID, files: new Array(17).fill({ data: "aGk=" }) }, "files"],
  ])("%s", async (_what, event, field) => {
    const { status, json } = await postEvent(lane, event);
    expect([status, json]).toMatchObject([400, { error: { param: field } }]);
    expect(lane.identity.calls).toEqual([]);
    expect(lane.runner.calls).toEqual([]);
  });

  test("an event that is too large is refused before it is read", async () => {
    const { status, json } = await postEvent(lane, { ...SAID, text: "x".repeat(4_200_000) });
    expect([status, json]).toMatchObject([413, { error: { code: "PAYLOAD_TOO_LARGE" } }]);
  });

  test("a body that is no JSON by its type is 415", async () => {
    const { status } = await postEvent(lane, SAID, { headers: { "content-type": "text/plain" } });
    expect(status).toBe(415);
  });

  test("an id that no key can hold is refused", async () => {
    const { status, json } = await postEvent(lane, SAID, { id: "e".repeat(129) });
    expect([status, json]).toMatchObject([400, { error: { param: "webhook-id" } }]);
  });

  test.each([
    ["/channels/webhook", 404],
    ["/channels/webhook/", 404],
    ["/channels/webhook/helpdesk/more", 404],
    ["/channels/webhook/..%2fhelpdesk", 404],
    ["/channels/fax/helpdesk", 404],
    ["/channels/__proto__/helpdesk", 404],
  ])("%s leads nowhere", async (path, wanted) => {
    expect((await postEvent(lane, SAID, { path })).status).toBe(wanted);
  });

  test("GET is not taken", async () => {
    const { status } = await ask(lane, { method: "GET", path: "/channels/webhook/helpdesk" });
    expect(status).toBe(405);
  });
});

describe("an HMAC in a header", () => {
  const hub = (event: object, secret: string = CHANNEL_ENV.WEBHOOK_HMAC_SECRET) => {
    const body = JSON.stringify(event);
    const digest = createHmac("sha256", secret).update(body).digest("hex");
    const headers = { authorization: "", "x-hub-signature-256": `sha256=${digest}` };
    return ask(lane, { path: "/channels/webhook/hub", headers, body });
  };
  beforeEach(() => {
    addAccount(lane, {
      ...{ ...HELPDESK, accountId: "hub", secretEnv: "WEBHOOK_HMAC_SECRET" },
      webhook: { hmac: { signatureHeader: "x-hub-signature-256", prefix: "sha256=" } },
    });
  });

  test("is verified; the id is the body's, since nothing else is signed", async () => {
    expect((await hub({ ...SAID, id: "e-1" })).status).toBe(202);
    expect((await hub({ ...SAID, id: "e-1" })).json).toMatchObject({ disposition: "joined" });
    expect(lane.runner.last.submit.idempotencyKey).toBe("webhook/hub/e-1");
    expect(await hub(SAID)).toMatchObject({ status: 400, json: { error: { param: "id" } } });
    expect((await hub({ ...SAID, id: "e-2" }, "wrong")).status).toBe(401);
  });

  test("with a time is refused when it is old", async () => {
    addAccount(lane, {
      ...{ ...HELPDESK, accountId: "timed", secretEnv: "WEBHOOK_HMAC_SECRET" },
      webhook: {
        hmac: {
          ...{ signatureHeader: "x-signature", timestampHeader: "x-timestamp" },
          encoding: SignatureEncoding.BASE64,
        },
      },
    });
    const post = (ageS: number) => {
      const body = JSON.stringify({ ...SAID, id: "e-1" });
      const time = String(Math.floor(Date.now() / 1_000) - ageS);
      const signed = createHmac("sha256", CHANNEL_ENV.WEBHOOK_HMAC_SECRET);
      const digest = signed.update(`${time}.${body}`).digest("base64");
      const headers = { "x-timestamp": time, "x-signature": digest };
      return ask(lane, { path: "/channels/webhook/timed", headers, body });
    };
    expect((await post(0)).status).toBe(202);
    expect((await post(301)).status).toBe(401);
  });
});
