import { duration } from "@lanekeeper/service";
import { type Command, InvalidArgumentError } from "commander";
import { addPageOptions } from "./listing/page-options.ts";
import type { Output } from "./output.ts";

const DAY_MS = 24 * 3_600_000;
const TENANT = "of this tenant, by the cluster secret; default: the one that the key at hand is of";

/** `lanekeeper keys …` */
export function addKeys(keys: Command, output: Output): void {
  const load = () => import("./commands/keys.ts");
  common(keys.command("create"))
    .description("make a key; its text is told once")
    .requiredOption(
      "--scope <scope>",
      "chat, adapter, operator or admin; repeat for more",
      more,
      [],
    )
    .option("--agent <id>", "bind it to this agent; repeat for more", more, [])
    .option(
      "--prefix <text>",
      "bind it to session keys that begin so (agent:<id>:…); repeat for more",
      more,
      [],
    )
    .option("--label <text>", "what it is for, for people")
    .option("--expires-in <span>", "such as 90d or 12h; default: it does not end", lifetime)
    .option("--requests-per-minute <count>", "a limit of its own, in each replica", positive)
    .option("--burst <count>", "how many may come at once; default: a minute's", positive)
    .option("--request-id <id>", "repeat a call whose answer was lost")
    .action(async (options) => (await load()).createKey(options, output));
  addPageOptions(common(keys.command("list")))
    .description("keys without their texts, the oldest first")
    .option("--all", "also those that have ended")
    .action(async (options) => (await load()).listKeys(options, output));
  common(keys.command("rotate").argument("<key-id>"))
    .description("give a key another text, which is told once; both are valid for a while")
    .option(
      "--overlap <span>",
      "how long the text before stays valid, up to 30d; default: 24h",
      overlap,
    )
    .option("--request-id <id>", "repeat a call whose answer was lost")
    .action(async (id: string, options) => (await load()).rotateKey(id, options, output));
  common(keys.command("revoke").argument("<key-id>"))
    .description("end a key for good, within seconds")
    .action(async (id: string, options) => (await load()).revokeKey(id, options, output));
}

function common(command: Command): Command {
  return command.option("--json", "as a JSON document").option("--tenant <name>", TENANT);
}

function more(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function positive(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a whole number above 0");
}

/** Milliseconds, of texts such as "90d" or "12h". As CreateApiKey has it: 1 minute to 10 years. */
function lifetime(text: string): number {
  return span(text, { min: 60_000, max: 3_653 * DAY_MS, named: "1m to 10 years (3653d)" });
}

/** Milliseconds, of texts such as "1h" or "0s". As RotateApiKey has it: up to 30 days. */
function overlap(text: string): number {
  return span(text, { min: 0, max: 30 * DAY_MS, named: "0s to 30d" });
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly named: string;
}

/** A number without a unit could be meant as days or as seconds: it is refused. */
function span(text: string, { min, max, named }: Bounds): number {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  const hasUnit = days !== undefined || /[a-z]$/.test(text);
  const ms = days === undefined ? duration({ min, max }).parse(text) : Number(days) * DAY_MS;
  if (hasUnit && ms !== undefined && ms >= min && ms <= max) return ms;
  throw new InvalidArgumentError(
    `expected a span with its unit, such as "90d", "12h" or "30m", of ${named}`,
  );
}
