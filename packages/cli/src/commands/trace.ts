import { CliError } from "../cli-error.ts";
import { openOperator } from "../operator/open-operator.ts";
import { type Output, showJson } from "../output.ts";
import { eventsOf, type TraceEvent } from "../trace/events.ts";
import { gapsOf } from "../trace/gaps.ts";
import { gather } from "../trace/gather.ts";
import { gatheredJson } from "../trace/gathered-json.ts";

const GIVE = "give a request id (x-request-id), a turn id or a trace id";

/** `lanekeeper trace <id>`: what happened to one request, in the order of time. Needs no collector. */
export async function trace(id: string, options: { json?: true }, output: Output): Promise<void> {
  const wanted = id.trim();
  // Filters that are empty filter nothing: it would tell of everybody's requests.
  if (wanted === "") throw new CliError(`The id is empty: ${GIVE}.`);
  const operator = await openOperator();
  const found = await gather(operator, wanted);
  const events = eventsOf(found);
  const missing = gapsOf(found);
  if (options.json) return showJson(output, gatheredJson(found, events, missing));
  if (events.length === 0) {
    if (missing.length > 0) throw new CliError(`Nothing is known of ${id}; ${missing.join("; ")}.`);
    throw new CliError(
      `Nothing at ${operator.url} knows ${id}: ${GIVE}; requests and journal are kept for 30 days.`,
    );
  }
  for (const line of [...timeline(events), ...missing]) output.line(line);
}

function timeline(events: readonly TraceEvent[]): string[] {
  const first = events[0]?.atMs ?? 0;
  const widths = {
    offset: Math.max(...events.map((event) => offset(event, first).length)),
    service: Math.max(...events.map(({ service }) => service.length)),
  };
  return [
    new Date(first).toISOString(),
    ...events.map((event) => {
      const when = offset(event, first).padStart(widths.offset);
      return `  ${when}  ${event.service.padEnd(widths.service)}  ${event.what}`;
    }),
  ];
}

function offset({ atMs }: TraceEvent, first: number): string {
  return `+${(atMs - first).toFixed(1)} ms`;
}
