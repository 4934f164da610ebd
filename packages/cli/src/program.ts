import { packageVersion } from "@lanekeeper/service";
import { Command, InvalidArgumentError } from "commander";
import { addKeys } from "./add-keys.ts";
import { addPageOptions } from "./listing/page-options.ts";
import type { Output } from "./output.ts";

/**
 * The commands. What each needs is loaded when it is asked for: a service process needs nothing of the
 * supervisor, and `--help` nothing at all.
 */
export function program(output: Output): Command {
  const lanekeeper = new Command("lanekeeper")
    .description("Keeps a conversation in one place.")
    .version(packageVersion(import.meta.url))
    .showHelpAfterError("(--help tells what there is)");
  addInstallation(lanekeeper, output);
  addConfig(lanekeeper, output);
  addTrace(lanekeeper, output);
  const sessions = lanekeeper.command("sessions").description("conversations and their decisions");
  addSessions(sessions, output);
  addErasures(sessions, output);
  addStreams(sessions, output);
  addDeliveries(
    lanekeeper.command("deliveries").description("replies on their way, and dead letters"),
    output,
  );
  addSchedules(lanekeeper.command("schedules").description("turns that come by the clock"), output);
  addLane(lanekeeper.command("lane").description("turns that run and wait"), output);
  addKeys(lanekeeper.command("keys").description("API keys, and what they may do"), output);
  return lanekeeper;
}

function addInstallation(lanekeeper: Command, output: Output): void {
  lanekeeper
    .command("start")
    .description("run everything on this machine, or, with a name, one service")
    .argument("[service]", "session-identity, runner, delivery or ingress")
    .option("--json", "a JSON document on each line; what one service says is that anyway")
    .action(async (service: string | undefined, options) => {
      if (service === undefined) await (await import("./commands/start.ts")).start(options, output);
      else await (await import("./commands/start-service.ts")).startService(service);
    });
  json(lanekeeper.command("migrate"))
    .description("make roles, schemas and tables on DATABASE_URL, or on the embedded Postgres")
    .action(async (options) => (await import("./commands/migrate.ts")).migrate(options, output));
  json(lanekeeper.command("doctor").description("look for what would keep it from working")).action(
    async (options) => (await import("./commands/doctor.ts")).doctor(options, output),
  );
}

function addConfig(lanekeeper: Command, output: Output): void {
  const load = () => import("./commands/config.ts");
  const file = "YAML with tenants, agents and policies; default: LANEKEEPER_CONFIG";
  const config = lanekeeper.command("config").description("tenants, agents and policies");
  json(config.command("check").argument("[file]", file))
    .description("say what is wrong with it, and change nothing")
    .action(async (path: string | undefined, options) =>
      (await load()).checkConfig(path, options, output),
    );
  json(config.command("apply").argument("[file]", file))
    .description("put it in force, at once")
    .action(async (path: string | undefined, options) =>
      (await load()).applyConfigFile(path, options, output),
    );
  const fence = lanekeeper.command("fence").description("after a restore from backup");
  json(fence.command("raise"))
    .description("let nothing that was valid before be accepted any more, for every key")
    .option("--request-id <id>", "repeat a raise whose answer was lost")
    .option("--note <text>", "who and why, for the journal")
    .action(async (options) => (await import("./commands/fence.ts")).raiseFences(options, output));
}

function addTrace(lanekeeper: Command, output: Output): void {
  json(
    lanekeeper
      .command("trace")
      .description("tell what happened to one request, in the order of time")
      .argument("<id>", "a request id (x-request-id), a turn id or a trace id"),
  ).action(async (id: string, options) =>
    (await import("./commands/trace.ts")).trace(id, options, output),
  );
}

function addSessions(sessions: Command, output: Output): void {
  const load = () => import("./commands/sessions.ts");
  list(sessions.command("list"))
    .description("sessions, by key")
    .option("--agent <id>", "only this agent's")
    .option("--prefix <text>", "only keys that begin so")
    .option("--running", "only those that a run holds")
    .action(async (options) => (await load()).listSessions(options, output));
  json(
    sessions
      .command("get")
      .argument("<name>", "a session key, any other name of it, or a session id"),
  )
    .description("one session")
    .action(async (name: string, options) => (await load()).getSession(name, options, output));
  json(sessions.command("explain").argument("<name>", "any name, also one that would be refused"))
    .description("what a name leads to, and why")
    .option("--agent <id>", "for names without an agent; default: the tenant's default agent")
    .action(async (name: string, options) => (await load()).explainKey(name, options, output));
  json(sessions.command("reset").argument("<name>", "a session key, or any other name of it"))
    .description("begin a fresh conversation under the same name")
    .option("--expect-generation <n>", "refuse if another one stands there", int64)
    .option("--skip-queued", "turns that wait are skipped instead of running in the new one")
    .option("--note <text>", "who and why, for the journal")
    .action(async (name: string, options) => (await load()).resetSession(name, options, output));
  list(sessions.command("journal").argument("<name>", "a session key, or any other name of it"))
    .description("what was decided about it, newest first")
    .option("--refused", "only what was refused")
    .action(async (name: string, options) => (await load()).listJournal(name, options, output));
  list(sessions.command("rotations").argument("<name>", "a session key, or any other name of it"))
    .description("its generations, newest first")
    .action(async (name: string, options) => (await load()).listRotations(name, options, output));
}

function addErasures(sessions: Command, output: Output): void {
  const load = () => import("./commands/erase.ts");
  json(sessions.command("erase").argument("<name>", "a session key, or any other name of it"))
    .description("remove what was said in a conversation, and its names, for good")
    .option("--yes", "without it only what would go is told")
    .option("--wait", "come back once nothing of it is left, after some six minutes")
    .option("--expect-generation <n>", "refuse if another one stands there", int64)
    .option("--note <text>", "who and why; it is kept, so it should name nobody")
    .action(async (name: string, options) => (await load()).eraseSession(name, options, output));
  list(sessions.command("erasures"))
    .description("conversations that are or were erased, newest first")
    .option("--under-way", "only those of which something is left")
    .action(async (options) => (await load()).listErasures(options, output));
}

function addStreams(sessions: Command, output: Output): void {
  sessions
    .command("watch")
    .description("sessions as they stand, and each change, until it is interrupted")
    .option("--agent <id>", "only this agent's")
    .option("--prefix <text>", "only keys that begin so")
    .option(
      "--resume-token <token>",
      "go on behind a message of an earlier watch, without a snapshot",
    )
    .option("--json", "a JSON document on each line")
    .action(async (options) =>
      (await import("./commands/watch-sessions.ts")).watchSessions(options, output),
    );
  sessions
    .command("export")
    .argument("<name>", "a session key, any other name of it, or a session id")
    .description("write the transcript out as JSON lines; of a key, all its generations")
    .action(async (name: string) =>
      (await import("./commands/sessions.ts")).exportSession(name, output),
    );
}

function addDeliveries(deliveries: Command, output: Output): void {
  const load = () => import("./commands/deliveries.ts");
  list(deliveries.command("list"))
    .description("dead letters, newest first; with --state others")
    .option("--key <name>", "only of this conversation: a session key, or any other name of it")
    .option("--route <id>", "only to this route")
    .option("--turn <id>", "only of this turn")
    .option("--state <state>", "pending, sending, sent, failed, unknown, suppressed_stale or all")
    .action(async (options) => (await load()).listDeliveries(options, output));
  json(deliveries.command("get").argument("<delivery-id>"))
    .description("one reply: where to, what was tried, what was done about it")
    .action(async (id: string, options) => (await load()).getDelivery(id, options, output));
  json(deliveries.command("redrive").argument("<delivery-id>", "a dead letter"))
    .description("send a dead letter again, under the generation that is chosen")
    .option("--own-generation", "that of its run: stopped where the session was reset since")
    .option("--current-generation", "the one that stands now: it goes out although reset away")
    .option(
      "--expect-generation <n>",
      "with --current-generation: refuse if another one stands",
      int64,
    )
    .option("--request-id <id>", "repeat a redrive whose answer was lost")
    .option("--note <text>", "who and why")
    .action(async (id: string, options) => (await load()).redriveDelivery(id, options, output));
  json(deliveries.command("dismiss").argument("<delivery-id>", "a dead letter"))
    .description("put a dead letter aside; a route that it blocks goes on")
    .option("--note <text>", "who and why")
    .action(async (id: string, options) => (await load()).dismissDelivery(id, options, output));
}

function addSchedules(schedules: Command, output: Output): void {
  const load = () => import("./commands/schedules.ts");
  json(schedules.command("list"))
    .description("all of them: next time, last run, missed ones")
    .action(async (options) => (await load()).listSchedules(options, output));
  json(schedules.command("create").argument("<name>", "1 to 64 of a-z, 0-9, _, -"))
    .description("have an agent told something regularly, under agent:<agent>:cron:<name>")
    .requiredOption("--cron <fields>", 'five fields such as "0 8 * * 1-5", or @daily and the like')
    .option("--time-zone <zone>", "IANA name; default: UTC")
    .option("--agent <id>", "default: the tenant's default agent")
    .option("--message <text>", "what it is told")
    .option("--message-file <path>", "a file with what it is told")
    .option("--reject", "leave a run out where the last one still goes on; default: it waits")
    .option("--route <id>", "where its replies go; default: into the transcript alone")
    .action(async (name: string, options) => (await load()).createSchedule(name, options, output));
  json(schedules.command("delete").argument("<name>"))
    .description("remove one; turns that it has started go on")
    .action(async (name: string, options) => (await load()).deleteSchedule(name, options, output));
  json(schedules.command("pause").argument("<name>"))
    .description("stop its clock")
    .action(async (name: string, options) => (await load()).pauseSchedule(name, options, output));
  json(schedules.command("resume").argument("<name>"))
    .description("let its clock go on, from now")
    .action(async (name: string, options) => (await load()).resumeSchedule(name, options, output));
  json(schedules.command("run").argument("<name>"))
    .description("run it once, now; its due times stay as they are")
    .option("--request-id <id>", "repeat a run whose answer was lost")
    .action(async (name: string, options) => (await load()).runSchedule(name, options, output));
}

function addLane(lane: Command, output: Output): void {
  const load = () => import("./commands/lane.ts");
  list(lane.command("list"))
    .description("lanes that have work")
    .action(async (options) => (await load()).listLanes(options, output));
  json(lane.command("get").argument("<name>", "a session key, or any other name of it"))
    .description("who holds a lane, and who waits")
    .action(async (name: string, options) => (await load()).getLane(name, options, output));
  lane
    .command("watch")
    .description("lanes that have work, and each change, until it is interrupted")
    .option("--agent <id>", "only this agent's")
    .option("--prefix <text>", "only keys that begin so")
    .option("--json", "a JSON document on each line")
    .action(async (options) =>
      (await import("./commands/watch-lanes.ts")).watchLanes(options, output),
    );
  json(lane.command("cancel").argument("<turn-id>", "a turn that waits or runs"))
    .description("cancel a turn")
    .option("--note <text>", "who and why")
    .action(async (id: string, options) => (await load()).cancelTurn(id, options, output));
}

function json(command: Command): Command {
  return command.option("--json", "as a JSON document");
}

function list(command: Command): Command {
  return addPageOptions(json(command));
}

function int64(text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("expected a whole number");
}
