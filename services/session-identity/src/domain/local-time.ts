/** Wall-clock time of a zone: the fields that a daily rollover is judged by. */
interface LocalDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

const DAY_MS = 86_400_000;

/** Zones in use are few; the bound keeps a tenant's typing from growing the process. */
const MAX_FORMATTERS = 200;
const formatters = new Map<string, Intl.DateTimeFormat>();

/** True for an IANA zone that this runtime knows. */
export function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** The last instant at or before `ms` at which clocks in the zone showed hour:minute. */
export function lastOccurrence(ms: number, hour: number, minute: number, zone: string): number {
  const local = new Date(ms + offsetMs(ms, zone));
  for (let daysBack = -1; ; daysBack += 1) {
    const day = new Date(
      Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate() - daysBack),
    );
    const date = { year: day.getUTCFullYear(), month: day.getUTCMonth(), day: day.getUTCDate() };
    const instant = instantOf(date, hour, minute, zone);
    if (instant <= ms) return instant;
  }
}

/**
 * A time that the clocks show twice is its first showing; one that they skip is as far after the
 * jump as it would have been (the `compatible` disambiguation of Temporal and RFC 5545).
 */
function instantOf(date: LocalDate, hour: number, minute: number, zone: string): number {
  const asUtc = Date.UTC(date.year, date.month, date.day, hour, minute);
  const before = offsetMs(asUtc - DAY_MS, zone);
  const after = offsetMs(asUtc + DAY_MS, zone);
  const valid = [asUtc - before, asUtc - after].filter(
    (instant) => instant + offsetMs(instant, zone) === asUtc,
  );
  return valid.length > 0 ? Math.min(...valid) : asUtc - before;
}

/** What to add to an instant for the wall clock of the zone, read as if it were UTC. */
function offsetMs(ms: number, zone: string): number {
  const whole = Math.floor(ms / 1000) * 1000;
  const part = new Map(
    formatter(zone)
      .formatToParts(whole)
      .map(({ type, value }) => [type, value]),
  );
  const field = (name: Intl.DateTimeFormatPartTypes) => Number(part.get(name));
  const shown = Date.UTC(
    field("year"),
    field("month") - 1,
    field("day"),
    field("hour"),
    field("minute"),
    field("second"),
  );
  return shown - whole;
}

function formatter(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known !== undefined) return known;
  if (formatters.size >= MAX_FORMATTERS) formatters.clear();
  const made = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  formatters.set(zone, made);
  return made;
}
