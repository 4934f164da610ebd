import { Cron } from "croner";

/** Longer than any expression that a person can read; croner's parse is linear in it. */
const MAX_CHARS = 256;

/** A cron expression in a time zone. */
export interface CronTimes {
  /** The first time after `after`; undefined: none is left. */
  next(after: Date): Date | undefined;
  /** The last time that is not after `until`; undefined: there was none. */
  latest(until: Date): Date | undefined;
}

/** What keeps an expression or a zone from being one. */
export interface CronProblem {
  readonly part: "cron" | "time_zone";
  /** For people, without the part's name. */
  readonly problem: string;
}

export function isCronProblem(value: CronTimes | CronProblem): value is CronProblem {
  return "problem" in value;
}

/**
 * Reads five fields (minute, hour, day of month, month, day of week) or a nickname such as `@daily`, in
 * an IANA time zone. Ranges, lists, steps, names, `L`, `W`, `#` and `+` as croner has them:
 * https://croner.56k.guru/usage/pattern/
 *
 * Where clocks change, cron(8) of Vixie cron is followed. An expression whose minutes and hours hold no
 * `*` and no step is meant for a time of the day: where that time is skipped it runs at the first
 * moment after the gap, where it comes twice it runs the first time alone. Any other is meant for an
 * interval: it runs whenever the clock shows its times, so not in a gap and in both passes of a
 * repeated hour.
 */
export function parseCron(expression: string, timeZone: string): CronTimes | CronProblem {
  if (expression.length > MAX_CHARS) return cronProblem(`has more than ${MAX_CHARS} characters`);
  if (!isTimeZone(timeZone)) {
    return { part: "time_zone", problem: 'is no IANA time zone such as "Europe/Berlin"' };
  }
  if (!/^@[a-z]+$/i.test(expression) && expression.trim().split(/\s+/).length !== 5) {
    return cronProblem('has not the five fields of one such as "0 8 * * 1-5"');
  }
  try {
    return timesOf(expression, timeZone);
  } catch (error) {
    const told = error instanceof Error ? error.message : String(error);
    return cronProblem(`cannot be read: ${told.replace(/^CronPattern: /, "")}`);
  }
}

function timesOf(expression: string, timeZone: string): CronTimes | CronProblem {
  const cron = new Cron(expression, {
    timezone: timeZone,
    mode: "5-part",
    // Lists and ranges are times of the day too, as in Vixie cron; croner alone takes single values.
    fixedTimeRule: "no-wildcard",
  });
  if (cron.nextRun() === null) return cronProblem("names a time that never comes");
  return {
    next: (after) => cron.nextRun(after) ?? undefined,
    // croner looks before its reference, so that one millisecond more finds the moment itself.
    latest: (until) => cron.previousRuns(1, new Date(until.getTime() + 1))[0],
  };
}

function cronProblem(problem: string): CronProblem {
  return { part: "cron", problem };
}

function isTimeZone(name: string): boolean {
  try {
    const { timeZone } = new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions();
    return timeZone !== "";
  } catch {
    return false;
  }
}
