import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Overflow } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { describe, expect, test } from "vitest";
import { testFolder } from "../fixtures/folder.ts";
import { defaultConfig } from "./default.ts";
import { loadConfig, parseConfig } from "./load.ts";
import { agentsRequest, keyPoliciesRequest, settingsRequest } from "./to-requests.ts";

const FULL = `
tenants:
  default:
    default_agent: main
    max_concurrent_runs: 9
    agents:
      main:
        system_prompt: You help.
        model:
          base_url: https://api.example.org/v1
          model: large
          api_key_env: EXAMPLE_KEY
        tools: [memory_save]
        on_conflict: interrupt
        context_token_budget: 50000
        model_silence_timeout: 90s
        max_waiting_turns: 16
        nested_turns_per_request: 40
        overflow: drop_oldest
        debounce: 3s
        busy_hint_after: 30s
        max_concurrent_runs: 4
        keys:
          dm_scope: per-peer
          idle_after: 2h
          daily_at: "04:00"
          time_zone: Europe/Berlin
      night:
        model: scripted
    sessions:
      from: [user, x-openwebui-chat-id]
      required: true
`;

function problems(text: string): string[] {
  try {
    parseConfig(text, "c.yaml");
  } catch (error) {
    return String((error as Error).message).split("\n");
  }
  throw new Error("the configuration was taken");
}

describe("the configuration", () => {
  test("becomes what the services are told", () => {
    const tenant = parseConfig(FULL, "c.yaml").tenants["default"];
    if (tenant === undefined) throw new Error("no tenant");
    expect(keyPoliciesRequest(tenant)).toMatchObject({
      defaultAgentId: "main",
      policies: [
        {
          agentId: "main",
          dmScope: 2,
          idleAfter: { seconds: 7_200n },
          dailyAt: "04:00",
          timeZone: "Europe/Berlin",
        },
        { agentId: "night", dailyAt: "" },
      ],
    });
    expect(settingsRequest(tenant)).toEqual({
      settings: { sessionSources: [4, 1], requiresSession: true },
    });
    expect(agentsRequest(tenant)).toMatchObject({
      agents: [
        {
          agentId: "main",
          systemPrompt: "You help.",
          model: {
            provider: {
              case: "openaiCompatible",
              value: {
                baseUrl: "https://api.example.org/v1",
                model: "large",
                apiKeyEnv: "EXAMPLE_KEY",
              },
            },
          },
          tools: ["memory_save"],
          onConflict: 3,
          contextTokenBudget: 50_000,
          modelSilenceTimeout: { seconds: 90n },
          maxWaitingTurns: 16,
          nestedTurnsPerRequest: 40,
          overflow: Overflow.DROP_OLDEST,
          debounce: durationFromMs(3_000),
          busyHintAfter: durationFromMs(30_000),
          maxConcurrentRuns: 4,
        },
        { agentId: "night", model: { provider: { case: "scripted" } } },
      ],
      maxConcurrentRuns: 9,
    });
  });

  test.each([
    [
      "a misspelt field",
      FULL.replace("system_prompt", "sytem_prompt"),
      "c.yaml:8: tenants.default.agents.main.sytem_prompt: no such field",
    ],
    [
      "a wrong choice",
      FULL.replace("interrupt", "preempt"),
      "c.yaml:14: tenants.default.agents.main.on_conflict: expected one of",
    ],
    [
      "a wrong number",
      FULL.replace("50000", "some"),
      "c.yaml:15: tenants.default.agents.main.context_token_budget: expected",
    ],
    [
      "a wrong duration",
      FULL.replace("90s", "soon"),
      "c.yaml:16: tenants.default.agents.main.model_silence_timeout: expected a duration",
    ],
    [
      "a wrong time",
      FULL.replace('"04:00"', "4am"),
      'c.yaml:26: tenants.default.agents.main.keys.daily_at: expected a time such as "04:00"',
    ],
    [
      "a time zone that is none",
      FULL.replace("Europe/Berlin", "Mars/Base"),
      "c.yaml:27: tenants.default.agents.main.keys.time_zone: expected an IANA time zone",
    ],
    [
      "an unknown default agent",
      FULL.replace("default_agent: main", "default_agent: mian"),
      "c.yaml:4: tenants.default.default_agent: expected one of the tenant's agents: main, night",
    ],
    [
      "an agent id that is none",
      FULL.replace("night:", "Night Shift:"),
      "c.yaml:28: tenants.default.agents.Night Shift: expected an agent id",
    ],
    [
      "a model without a name",
      FULL.replace("model: large", "modell: large"),
      "c.yaml:9: tenants.default.agents.main.model",
    ],
    [
      "no model",
      FULL.replace("model: scripted", "tools: []"),
      "c.yaml:28: tenants.default.agents.night.model: expected",
    ],
    ["something that is no YAML", "tenants: [", "c.yaml:1:"],
    ["an empty file", "", "c.yaml:1: the file: expected"],
    ["a field twice", "tenants: {}\ntenants: {}\n", "c.yaml:2:"],
  ])("%s is refused with file, line and what was expected", (_what, text, expected) => {
    const found = problems(text);
    expect(
      found.some((line) => line.startsWith(expected)),
      found.join("\n"),
    ).toBe(true);
  });

  test("every problem is told, not only the first", () => {
    expect(problems(FULL.replace("90s", "soon").replace("interrupt", "preempt"))).toHaveLength(2);
  });

  test("a file that is not there is named", async () => {
    await using folder = await testFolder();
    const file = `${folder.path}/none.yaml`;
    await expect(loadConfig(file)).rejects.toThrow(`${file} cannot be read: `);
    await expect(loadConfig(file)).rejects.not.toThrow("LANEKEEPER_CONFIG");
    await expect(loadConfig(file, "LANEKEEPER_CONFIG")).rejects.toThrow(
      `LANEKEEPER_CONFIG names ${file}, which cannot be read: `,
    );
  });
});

const TOOLS = `
tenants:
  default:
    agents:
      main:
        model: scripted
        tools: [memory_save]
        compaction: { at_percent: 60 }
        tool_limits: { timeout: 30s, output_bytes: 4096, steps_per_turn: 20 }
        mcp_servers:
          files:
            command: mcp-files
            args: [--root, /srv]
            env: [FILES_TOKEN]
          web:
            url: https://mcp.example.org/mcp
            header_env: { Authorization: WEB_TOKEN }
            public_only: true
            tools: [search]
`;

describe("what the runner would refuse, when the keys' policies had been changed already", () => {
  const main = "tenants.default.agents.main";
  const agents = (entries: object) => JSON.stringify({ tenants: { default: { agents: entries } } });
  const agent = (more: object) => agents({ main: { model: "scripted", ...more } });
  const many = (count: number, name: string, entry: object) =>
    Object.fromEntries(Array.from({ length: count }, (_, nth) => [`${name}${nth}`, entry]));
  const endpoint = { base_url: "https://api.example.org/v1", model: "m".repeat(201) };

  test.each([
    [
      "a tool that there is not",
      TOOLS.replace("[memory_save]", "[memory_save, memory_sav]"),
      `c.yaml:7: ${main}.tools.1: memory_sav is none of session_status`,
    ],
    [
      "a tool twice",
      TOOLS.replace("[memory_save]", "[memory_save, memory_save]"),
      `c.yaml:7: ${main}.tools.1: stands there twice`,
    ],
    [
      "no name of a header",
      TOOLS.replace("Authorization:", '"Authorization :":'),
      `c.yaml:17: ${main}.mcp_servers.web.header_env: is no header's name`,
    ],
    [
      "a prompt that has too many bytes, not characters",
      agent({ system_prompt: "é".repeat(40_000) }),
      `c.yaml:1: ${main}.system_prompt: may have 65536 bytes, got 80000 bytes`,
    ],
    [
      "a long name of a model",
      agent({ model: endpoint }),
      `c.yaml:1: ${main}.model.model: is not of 1..200 bytes`,
    ],
    [
      "too many servers",
      agent({ mcp_servers: many(17, "s", { command: "x" }) }),
      `c.yaml:1: ${main}.mcp_servers: has 17 servers of at most 16`,
    ],
    [
      "too many agents",
      agents(many(1_001, "a", { model: "scripted" })),
      "c.yaml:1: tenants.default.agents: has 1001 agents of at most 1000",
    ],
  ])("%s", (_what, text, expected) => {
    const [first = "", ...more] = problems(text);
    expect(first.slice(0, expected.length)).toBe(expected);
    expect(more).toEqual([]);
  });

  test("of each agent, not only of the first", () => {
    const two = FULL.replace("[memory_save]", "[save]").replace(
      "model: scripted",
      "model: scripted\n        tools: [search]",
    );
    expect(problems(two)).toHaveLength(2);
  });
});

describe("an agent's tools", () => {
  test("become what the runner is told", () => {
    const tenant = parseConfig(TOOLS, "c.yaml").tenants["default"];
    if (tenant === undefined) throw new Error("no tenant");
    expect(agentsRequest(tenant).agents?.[0]).toMatchObject({
      compaction: { atPercent: 60 },
      toolLimits: { timeout: { seconds: 30n }, outputBytes: 4_096, stepsPerTurn: 20 },
      mcpServers: [
        {
          name: "files",
          transport: {
            case: "stdio",
            value: {
              command: "mcp-files",
              args: ["--root", "/srv"],
              env: ["FILES_TOKEN"],
              cwd: "",
            },
          },
          tools: [],
        },
        {
          name: "web",
          transport: {
            case: "http",
            value: {
              url: "https://mcp.example.org/mcp",
              headerEnv: { Authorization: "WEB_TOKEN" },
              publicOnly: true,
            },
          },
          tools: ["search"],
        },
      ],
    });
    const off = parseConfig(TOOLS.replace("{ at_percent: 60 }", "off"), "c.yaml");
    expect(off.tenants["default"]?.agents["main"]?.compaction).toBe("off");
  });

  test.each([
    [
      "a share out of bounds",
      TOOLS.replace("60", "99"),
      "c.yaml:8: tenants.default.agents.main.compaction",
    ],
    [
      "a server that is neither a program nor an address",
      TOOLS.replace("command: mcp-files", "program: mcp-files"),
      "c.yaml:12: tenants.default.agents.main.mcp_servers.files.program: no such field",
    ],
    [
      "a server without either",
      TOOLS.replace("command: mcp-files", ""),
      "c.yaml:11: tenants.default.agents.main.mcp_servers.files: expected command, for a program, or url",
    ],
    [
      "a secret in place of a variable's name",
      TOOLS.replace("WEB_TOKEN", '"Bearer abc"'),
      "c.yaml:17: tenants.default.agents.main.mcp_servers.web.header_env.Authorization: expected the name",
    ],
    [
      "a time that is none",
      TOOLS.replace("30s", "soon"),
      "c.yaml:9: tenants.default.agents.main.tool_limits.timeout: expected",
    ],
  ])("%s is refused with file, line and what was expected", (_what, text, expected) => {
    const found = problems(text);
    expect(
      found.some((line) => line.startsWith(expected)),
      found.join("\n"),
    ).toBe(true);
  });
});

describe("without a configuration", () => {
  test("there is one tenant with the agent main and the model of the environment", () => {
    const tools = ["session_status", "sessions_send"];
    const endpoint = {
      kind: "endpoint",
      baseUrl: "http://m/v1",
      apiKey: undefined,
      model: "x",
    } as const;
    expect(defaultConfig({ kind: "scripted", because: "" }).tenants).toEqual({
      default: { default_agent: "main", agents: { main: { model: "scripted", tools } } },
    });
    expect(
      defaultConfig({ ...endpoint, from: "OPENAI_BASE_URL" }).tenants["default"]?.agents["main"],
    ).toEqual({
      model: { base_url: "http://m/v1", model: "x" },
      tools,
    });
  });
});
