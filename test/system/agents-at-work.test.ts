import { createHash, randomUUID } from "node:crypto";
import { createDeliveryClient, createIdentityClient, createRunnerClient } from "@lanekeeper/client";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually, startConstellation, startWebhookSink } from "@lanekeeper/testing";
import { expect, test } from "vitest";

/** A server of tools, one of which draws. */
const TOOLS = new URL("../../services/runner/src/testing/mcp-server.mjs", import.meta.url).pathname;

/** A budget that a few messages fill. */
const CONFIG = `
tenants:
  default:
    default_agent: main
    agents:
      main:
        model: scripted
        tools: [sessions_spawn, memory_save]
        context_token_budget: 2000
        compaction: { at_percent: 50 }
      drawer:
        model: scripted
        mcp_servers: { paint: { command: ${process.execPath}, args: [${TOOLS}], tools: [draw] } }
`;

test("through the real services: a session is compacted by its run, and a subagent's answer survives the end of runner and delivery, and what comes of it reaches the session's route, as does what a tool drew", async () => {
  await using sink = await startWebhookSink();
  const env = {
    LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8",
    LANEKEEPER_DELIVERY_LEASE_MS: "6000",
  };
  await using lanekeeper = await startConstellation({ config: CONFIG, env, leaseMs: 2_000 });
  const { targets, baseUrl, apiKey } = lanekeeper;
  const defaults = { tenant: "default", principal: "test" };
  const cli = { credential: lanekeeper.credential("cli"), defaults, waitForReady: true };
  const runner = createRunnerClient({ target: targets.runner, ...cli });
  const identity = createIdentityClient({ target: targets["session-identity"], ...cli });

  const say = async (key: string, content: string): Promise<string> => {
    const response = await fetch(`${baseUrl}/v1/chat/completions`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${apiKey}`,
        "content-type": "application/json",
        "x-session-key": key,
      },
      body: JSON.stringify({ model: "lanekeeper/main", messages: [{ role: "user", content }] }),
    });
    expect(response.status).toBe(200);
    const body = (await response.json()) as { choices: { message: { content: string } }[] };
    return body.choices[0]?.message.content ?? "";
  };

  // Compaction: two long messages fill half of the budget, the third finds a summary in their place.
  await say("long", `one ${"x".repeat(1_700)}`);
  await say("long", `two ${"y".repeat(1_700)}`);
  const third = await say("long", `three ${"z".repeat(500)}`);
  expect(third).toContain("system: Summary of the conversation before what follows");
  const sessionKey = "agent:main:long";
  const { rotations } = await identity.listRotations({ sessionKey });
  expect(rotations.map(({ reason }) => reason)).toEqual([RotationReason.COMPACTION]);
  const { turns } = await runner.listTurns({ sessionKey });
  expect(turns.map(({ state, session }) => [state, session?.generation])).toEqual([
    [TurnState.COMPLETED, 2n],
    [TurnState.COMPLETED, 1n],
    [TurnState.COMPLETED, 1n],
  ]);
  expect(await say("long", "four")).toContain("user: three");

  // A subagent, while whose turn the runner dies, and delivery before it can hand the answer on.
  const delivery = createDeliveryClient({ target: targets.delivery, ...cli });
  const place = { kind: RouteKind.WEBHOOK, address: sink.url };
  await delivery.registerRoute({ sessionKey: "agent:main:parent", ...place });
  const task = JSON.stringify({ task: "!sleep 2s\nfind it" });
  await say("parent", `!tool sessions_spawn ${task}`);
  await lanekeeper.kill("runner");
  await lanekeeper.kill("delivery");
  const told = await eventually(
    async () => {
      const parent = await runner.listTurns({ sessionKey: "agent:main:parent" });
      const second = parent.turns.length > 1 ? parent.turns[0] : undefined;
      return second?.state === TurnState.COMPLETED ? second : undefined;
    },
    { timeoutMs: 60_000, what: "the subagent's answer as a turn of its parent" },
  );
  const { turn } = await runner.getTurn({ turnId: told.turnId });
  const reply = turn?.reply?.parts
    .map(({ content }) => (content.case === "text" ? content.value : ""))
    .join("");
  expect(reply).toMatch(
    /user: The subagent agent:main:subagent:[0-9a-f-]{36} \(turn .*\) has answered/,
  );
  const all = await runner.listTurns({ sessionKey: "agent:main:parent" });
  expect(all.turns.length).toBe(2);
  expect((await sink.post(0)).body).toContain("has answered");
  // Its key was minted for the task, once, and nobody else makes one of that form.
  const minted = /agent:main:subagent:[0-9a-f-]{36}/.exec(reply ?? "")?.[0] ?? "";
  const named = (value: string) => ({ name: { case: "rawKey", value } }) as const;
  const child = await identity.resolveSession({ ...named(minted), lookUpOnly: true });
  expect(child.binding?.source).toBe("mint");
  const other = minted.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
  await expect(identity.resolveSession(named(other))).rejects.toMatchObject({
    reason: "NOT_FOUND",
  });

  // A file that a tool made goes where the answer goes.
  const { session } = await identity.resolveSession({
    name: { case: "rawKey", value: "agent:drawer:room" },
  });
  const drawing = session?.ref?.sessionKey ?? "";
  const { route } = await delivery.registerRoute({ sessionKey: drawing, ...place });
  const ask = { case: "text" as const, value: "!tool paint__draw" };
  await runner.submitTurn({
    idempotencyKey: randomUUID(),
    fingerprint: createHash("sha256").update(ask.value).digest(),
    target: { case: "session", value: session?.ref ?? {} },
    turnClass: TurnClass.PERSON,
    messages: [{ role: Role.USER, parts: [{ content: ask }] }],
    routeId: route?.routeId ?? "",
  });
  const picture = { type: "file", file_name: "image.png", media_type: "image/png" };
  expect((await sink.post(1)).json).toMatchObject({
    parts: expect.arrayContaining([{ ...picture, data: Buffer.from("png").toString("base64") }]),
  });
  delivery.$close();
  identity.$close();
  runner.$close();
}, 180_000);
