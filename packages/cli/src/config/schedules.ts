import { isCronProblem, parseCron } from "@lanekeeper/cron";
import { z } from "zod";

/** As ingress bounds them: schedules of a tenant, and the bytes of what one says. */
const MAX_SCHEDULES = 100;
const MAX_MESSAGE_BYTES = 32 * 1024;

/** One turn that comes by the clock. */
const schedule = z
  .strictObject({
    cron: z.string(),
    /** Default: "UTC". */
    time_zone: z.string().optional(),
    /** Default: the tenant's default agent. */
    agent: z.string().optional(),
    message: z
      .string()
      .refine((text) => text.trim() !== "", "expected what the agent is told")
      .refine(
        (text) => Buffer.byteLength(text) <= MAX_MESSAGE_BYTES,
        `expected at most ${MAX_MESSAGE_BYTES} bytes`,
      )
      .refine((text) => !/\0|\p{Surrogate}/u.test(text), "expected no U+0000 or half a character"),
    on_conflict: z.enum(["enqueue", "reject"]).optional(),
    route: z
      .string()
      .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "expected the id of a route, a UUID")
      .optional(),
  })
  .superRefine(({ cron, time_zone: timeZone = "UTC" }, context) => {
    const parsed = parseCron(cron, timeZone);
    if (!isCronProblem(parsed)) return;
    const { part, problem } = parsed;
    const message = `expected another: it ${problem}`;
    context.addIssue({ code: "custom", path: [part], message });
  });

/** By their names. */
export const schedules = z
  .record(
    z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9_-]{0,63}$/,
        'expected a schedule\'s name: 1 to 64 of a-z, 0-9, "_", "-"',
      ),
    schedule,
  )
  .refine(
    (all) => Object.keys(all).length <= MAX_SCHEDULES,
    `expected at most ${MAX_SCHEDULES} schedules`,
  );

/** What is wrong with an agent that a schedule names or leaves out; undefined: nothing. */
export function agentProblem(
  agent: string | undefined,
  tenant: {
    readonly default_agent?: string | undefined;
    readonly agents: Readonly<Record<string, unknown>>;
  },
): { readonly path: string[]; readonly message: string } | undefined {
  const known = Object.keys(tenant.agents).join(", ");
  if (agent === undefined) {
    if (tenant.default_agent !== undefined) return;
    return { path: [], message: `expected agent, since there is no default_agent: ${known}` };
  }
  if (agent in tenant.agents) return;
  return { path: ["agent"], message: `expected one of the tenant's agents: ${known}` };
}
