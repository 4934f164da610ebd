import { duration } from "@lanekeeper/service";
import { z } from "zod";
import { channels } from "./channels-schema.ts";
import { rateLimit } from "./rate-limit-schema.ts";
import { agentProblem, schedules } from "./schedules.ts";

const AGENT_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const HOUR_MS = 3_600_000;
const YEAR_MS = 366 * 24 * 3_600_000;

/** Milliseconds, from texts such as "90s" or "2h", or a whole number of milliseconds. */
function span(bounds: { min: number; max: number }) {
  const parser = duration(bounds);
  return z.union([z.string(), z.int()]).transform((given, context) => {
    const ms = parser.parse(String(given).trim());
    if (ms !== undefined) return ms;
    context.addIssue({ code: "custom", message: `expected ${parser.expected}` });
    return z.NEVER;
  });
}

const concurrentRuns = z.int().min(1).max(1_000_000);

const agentId = z
  .string()
  .regex(
    AGENT_ID,
    'expected an agent id: 1 to 64 of a-z, 0-9, "_", "-", beginning with a letter or digit',
  );

const endpoint = z.strictObject({
  base_url: z.url({
    protocol: /^https?$/,
    error: "expected a URL that begins with http:// or https://",
  }),
  model: z.string().min(1, "expected the name of a model"),
  api_key_env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected the name of an environment variable")
    .optional(),
  public_only: z.boolean().optional(),
});

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected the name of an environment variable");

/** A server of the Model Context Protocol: a program, or an address. */
const mcpServer = z
  .strictObject({
    command: z.string().min(1, "expected a program").optional(),
    args: z.array(z.string()).optional(),
    env: z.array(variable).optional(),
    cwd: z.string().min(1).optional(),
    url: z
      .url({
        protocol: /^https?$/,
        error: "expected a URL that begins with http:// or https://",
      })
      .optional(),
    header_env: z.record(z.string(), variable).optional(),
    public_only: z.boolean().optional(),
    tools: z.array(z.string().min(1)).optional(),
  })
  .superRefine(({ command, url, args, env, cwd, header_env, public_only }, context) => {
    const expected = (message: string): void => context.addIssue({ code: "custom", message });
    const isProgram = command !== undefined;
    if (isProgram === (url !== undefined)) {
      expected("expected command, for a program, or url, for an address");
    } else if (isProgram && header_env !== undefined) {
      expected("expected no header_env beside command");
    } else if (isProgram && public_only !== undefined) {
      expected("expected no public_only beside command");
    } else if (!isProgram && [args, env, cwd].some((field) => field !== undefined)) {
      expected("expected no args, env or cwd beside url");
    }
  });

/** How one agent answers, and how its keys are made. */
const agent = z.strictObject({
  system_prompt: z.string().optional(),
  model: z.union([z.literal("scripted"), endpoint], {
    error:
      'expected "scripted", or base_url, model and api_key_env of an OpenAI-compatible endpoint',
  }),
  tools: z.array(z.string().min(1)).optional(),
  on_conflict: z
    .enum(["enqueue", "reject", "interrupt", "rollback", "coalesce", "steer"])
    .optional(),
  context_token_budget: z.int().min(1_000).max(10_000_000).optional(),
  model_silence_timeout: span({ min: 1_000, max: 3_600_000 }).optional(),
  mcp_servers: z
    .record(
      z
        .string()
        .regex(
          /^[a-z0-9][a-z0-9_-]{0,31}$/,
          'expected a server\'s name: 1 to 32 of a-z, 0-9, "_", "-"',
        ),
      mcpServer,
    )
    .optional(),
  compaction: z
    .union([z.literal("off"), z.strictObject({ at_percent: z.int().min(10).max(95) })], {
      error: 'expected "off", or at_percent from 10 to 95',
    })
    .optional(),
  tool_limits: z
    .strictObject({
      timeout: span({ min: 1_000, max: 3_600_000 }).optional(),
      output_bytes: z.int().min(1_024).max(1_048_576).optional(),
      steps_per_turn: z.int().min(1).max(1_000).optional(),
    })
    .optional(),
  max_waiting_turns: z.int().min(1).max(10_000).optional(),
  nested_turns_per_request: z.int().min(1).max(10_000).optional(),
  overflow: z.enum(["reject_new", "drop_oldest"]).optional(),
  debounce: span({ min: 1, max: HOUR_MS }).optional(),
  busy_hint_after: span({ min: 1, max: HOUR_MS }).optional(),
  max_concurrent_runs: concurrentRuns.optional(),
  keys: z
    .strictObject({
      dm_scope: z
        .enum(["main", "per-peer", "per-channel-peer", "per-account-channel-peer"])
        .optional(),
      idle_after: span({ min: 1_000, max: YEAR_MS }).optional(),
      daily_at: z
        .string()
        .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time such as "04:00", in quotes')
        .optional(),
      time_zone: z
        .string()
        .refine(isTimeZone, 'expected an IANA time zone such as "Europe/Berlin"')
        .optional(),
    })
    .optional(),
});

/** How requests of a tenant that name no session themselves are taken. */
const sessions = z.strictObject({
  /** What may name one; looked at in this order, whatever order they stand in. */
  from: z
    .array(z.enum(["x-openwebui-chat-id", "x-conversation-id", "prompt_cache_key", "user"]))
    .refine((sources) => new Set(sources).size === sources.length, "expected each at most once")
    .optional(),
  required: z.boolean().optional(),
});

const tenant = z
  .strictObject({
    channels: channels.optional(),
    default_agent: agentId.optional(),
    max_concurrent_runs: concurrentRuns.optional(),
    sessions: sessions.optional(),
    /** Of all its keys together. */
    rate_limit: rateLimit.optional(),
    /** Of each key that states none itself. */
    key_rate_limit: rateLimit.optional(),
    schedules: schedules.optional(),
    agents: z.record(agentId, agent),
  })
  .superRefine(({ default_agent, agents }, context) => {
    if (default_agent === undefined || default_agent in agents) return;
    context.addIssue({
      code: "custom",
      path: ["default_agent"],
      message: `expected one of the tenant's agents: ${Object.keys(agents).join(", ")}`,
    });
  })
  .superRefine((tenant, context) => {
    for (const [id, { agent }] of Object.entries(tenant.schedules ?? {})) {
      const problem = agentProblem(agent, tenant);
      if (problem === undefined) continue;
      const path = ["schedules", id, ...problem.path];
      context.addIssue({ code: "custom", path, message: problem.message });
    }
  });

/** The whole file. Unknown fields are refused: a misspelt one would be without effect. */
export const configSchema = z.strictObject({
  tenants: z.record(
    z
      .string()
      .regex(
        /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
        "expected a tenant's name: 1 to 64 letters, digits, _, . or -",
      ),
    tenant,
  ),
});

export type Config = z.infer<typeof configSchema>;
export type TenantConfig = z.infer<typeof tenant>;
export type McpEntry = z.infer<typeof mcpServer>;
export type AgentEntry = z.infer<typeof agent>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
