import type { Caller } from "@lanekeeper/rpc";
import { ManualClock } from "@lanekeeper/service/testing";
import { create } from "@bufbuild/protobuf";
import { GetKeyPoliciesResponseSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ListAgentsResponseSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { beforeEach, describe, expect, test } from "vitest";
import { AgentDirectory } from "./agent-directory.ts";

const LIMITS = { agentsFreshMs: 100, agentsRecheckMs: 10, maxCachedTenants: 2 };
const caller = (more: Partial<Caller> = {}): Caller => ({
  tenant: "acme",
  principal: "p",
  scopes: [],
  agents: [],
  keyPrefixes: [],
  ...more,
});

let clock: ManualClock;
let agentIds: string[];
let defaultAgentId: string;
let asked: string[];
let isDown: boolean;
let directory: AgentDirectory;

beforeEach(() => {
  clock = new ManualClock();
  agentIds = ["main"];
  defaultAgentId = "main";
  asked = [];
  isDown = false;
  const listAgents = async (_request: object, options: { tenant?: string | undefined } = {}) => {
    asked.push(options.tenant ?? "");
    if (isDown) throw new Error("down");
    return create(ListAgentsResponseSchema, { agents: agentIds.map((agentId) => ({ agentId })) });
  };
  const getKeyPolicies = async () =>
    create(GetKeyPoliciesResponseSchema, { defaultAgentId, applyTime: { seconds: 7n } });
  directory = new AgentDirectory({
    runner: { listAgents },
    identity: { getKeyPolicies },
    clock,
    limits: LIMITS,
  });
});

describe("a tenant's agents", () => {
  test("are asked for once while they are fresh, also by those who come together", async () => {
    await Promise.all([directory.list(caller()), directory.list(caller())]);
    await clock.advance(99);
    expect(await directory.list(caller())).toEqual({
      agentIds: ["main"],
      defaultAgentId: "main",
      applyTimeS: 7,
    });
    expect(asked).toEqual(["acme"]);
    await clock.advance(1);
    await directory.list(caller());
    expect(asked).toHaveLength(2);
  });

  test("that were applied a moment ago answer, though others were just asked for", async () => {
    await directory.list(caller());
    agentIds.push("new");
    const required = directory.require(caller(), "new", "lanekeeper/new");
    await clock.untilWaiting();
    await clock.advance(11);
    await required;
    expect(asked).toHaveLength(2);
  });

  test("that are unknown are asked for again, but no flood of them reaches the runner", async () => {
    await directory.list(caller());
    const refusals = Array.from({ length: 5 }, () =>
      directory.require(caller(), "none", "lanekeeper/none").catch((error: unknown) => error),
    );
    await clock.untilWaiting(5);
    await clock.advance(11);
    for (const refusal of await Promise.all(refusals))
      expect(refusal).toMatchObject({ reason: "UNKNOWN_MODEL" });
    expect(asked).toHaveLength(2);
  });

  test("are asked for again by who needs a default that was not there", async () => {
    defaultAgentId = "";
    const refused = directory.requireDefault(caller()).catch((error: unknown) => error);
    await clock.untilWaiting();
    await clock.advance(11);
    expect(await refused).toMatchObject({ reason: "AGENT_REQUIRED" });
    expect(asked).toHaveLength(2);
    defaultAgentId = "main";
    const found = directory.requireDefault(caller());
    await clock.untilWaiting();
    await clock.advance(11);
    expect(await found).toBe("main");
    expect(asked).toHaveLength(3);
  });

  test("are believed as last known while nobody can be asked", async () => {
    isDown = true;
    await expect(directory.list(caller())).rejects.toThrow("down");
    isDown = false;
    await directory.list(caller());
    isDown = true;
    await clock.advance(1_000);
    await expect(directory.requireDefault(caller())).resolves.toBe("main");
    await clock.advance(1_000);
    await expect(directory.requireDefault(caller())).resolves.toBe("main");
  });

  test("are forgotten when other tenants fill the memory", async () => {
    for (const tenant of ["acme", "b", "c", "acme"]) await directory.list(caller({ tenant }));
    expect(asked).toEqual(["acme", "b", "c", "acme"]);
  });

  test("are only those that the credential may use", async () => {
    agentIds = ["main", "helper"];
    const bound = caller({ agents: ["helper"] });
    expect(await directory.list(bound)).toMatchObject({ agentIds: ["helper"], defaultAgentId: "" });
    const required = directory.require(bound, "main", "lanekeeper/main");
    await expect(required).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  });
});
