import { describe, expect, test } from "vitest";
import { agentBoundBy, isAgentWithin, isBound, isKeyWithin, keyBoundBy } from "./key-bounds.ts";

const bounds = (agents: string[], keyPrefixes: string[]) => ({ agents, keyPrefixes });

describe("a key is within bounds", () => {
  test.each([
    ["agent:main:a", [], [], true],
    ["agent:main:a", ["main"], [], true],
    ["agent:main2:a", ["main"], [], false],
    ["agent:main:crm:7", [], ["agent:main:crm:"], true],
    ["agent:main:crm", [], ["agent:main:crm:"], false],
    ["agent:main:web:1", [], ["agent:main:crm:", "agent:main:web:"], true],
    ["agent:main:crm:7", ["helper"], ["agent:main:crm:"], false],
    ["agent:main:CRM:7", ["main"], ["agent:main:crm:"], false],
  ])("%s, agents %j, prefixes %j: %s", (key, agents, prefixes, within) => {
    expect(isKeyWithin(key, bounds(agents, prefixes))).toBe(within);
  });
});

describe("an agent is within bounds where one of its keys can be", () => {
  test.each([
    ["main", [], [], true],
    ["main", ["helper"], [], false],
    ["main", [], ["agent:main:crm:"], true],
    ["main", [], ["agent:ma"], true],
    ["main", [], ["agent:main2:"], false],
    ["main", ["main"], ["agent:helper:"], false],
  ])("%s, agents %j, prefixes %j: %s", (agent, agents, prefixes, within) => {
    expect(isAgentWithin(agent, bounds(agents, prefixes))).toBe(within);
  });
});

test("a credential without lists is bound by nothing", () => {
  expect(isBound(bounds([], []))).toBe(false);
  expect(isBound(bounds(["main"], []))).toBe(true);
  expect(isBound(bounds([], ["agent:main:a"]))).toBe(true);
});

test.each([
  ["agent:main:crm:7", ["main"], ["agent:main:crm:"], undefined],
  ["agent:main:web:1", ["main"], ["agent:main:crm:"], "session_key_prefixes"],
  ["agent:work:crm:7", ["main"], ["agent:main:crm:"], "agent_ids"],
  ["agent:work:crm:7", [], ["agent:main:crm:"], "session_key_prefixes"],
])("%s, agents %j, prefixes %j: kept out by %s", (key, agents, prefixes, by) => {
  expect(keyBoundBy(key, bounds(agents, prefixes))).toBe(by);
  const agent = key.split(":")[1] ?? "";
  const isOfPrefixes = by === "session_key_prefixes" && agent === "main";
  expect(agentBoundBy(agent, bounds(agents, prefixes))).toBe(isOfPrefixes ? undefined : by);
});
