import type { LoadJob, Measured } from "../load/jobs.ts";
import { KNOWN_KEYS, NEW_KEYS } from "../names.ts";
import { CALLERS, type Callers, type Sizes } from "../sizes.ts";
import type { CpuSeconds } from "../../shared/processes.ts";
import type { GraphileAudit, World } from "../world/world.ts";
import { type Audit, audit } from "./audit.ts";

/** One measurement of one system with so many callers. */
export interface TurnsRow {
  readonly system: "lanekeeper" | "graphile-worker" | "the steps alone" | "first contacts";
  readonly callers: Callers;
  readonly measured: Measured;
  readonly audit: Audit;
  /** CPU seconds per 1,000 turns, by process; undefined where nobody can tell. */
  readonly cpu: CpuSeconds | undefined;
}

/** Each row of both, one right after the other, so that what else the machine does meets both alike. */
export async function turnsRows(
  world: World,
  sizes: Sizes,
  tell: (row: TurnsRow) => void,
): Promise<readonly TurnsRow[]> {
  const rows: TurnsRow[] = [];
  const add = (row: TurnsRow): void => {
    rows.push(row);
    tell(row);
  };
  await warmUp(world, sizes);
  for (let round = 1; round <= sizes.rounds; round += 1) {
    for (const callers of CALLERS) {
      const name = `round${round}-callers${callers}`;
      const job = { name, callers, keys: sizes.keys, keysOf: KNOWN_KEYS };
      add(await ourRow(world, callers, { ...job, turns: sizes.turns[callers] }));
      add(await graphileRow(world, callers, { ...job, turns: sizes.jobs[callers] }));
      add(await leastRow(world, callers, { ...job, turns: sizes.turns[callers] }));
    }
  }
  add(await firstContacts(world, sizes));
  return rows;
}

/** Each conversation, or queue, has been there before the first row; the first turn of one is a row of its own. */
async function warmUp(world: World, { warmUpTurns: turns, keys, jobs }: Sizes): Promise<void> {
  const job = { name: "warm-up", callers: 64, keys, keysOf: KNOWN_KEYS };
  const contact = { ...job, name: "contact", turns: keys, inOrder: true };
  await world.ours(contact);
  await world.graphile(contact);
  await world.least.ask(contact);
  await world.ours({ ...job, turns });
  await world.graphile({ ...job, turns: jobs[64] });
  await world.least.ask({ ...job, turns });
  await world.tidy();
}

async function firstContacts(world: World, { keys }: Sizes): Promise<TurnsRow> {
  const job = { name: "first", callers: 64, turns: keys, keys, keysOf: NEW_KEYS, inOrder: true };
  return { ...(await ourRow(world, 64, job)), system: "first contacts" };
}

async function ourRow(world: World, callers: Callers, job: LoadJob): Promise<TurnsRow> {
  const before = await world.cpu.ours();
  const measured = await world.ours(job);
  const cpu = per1000(before, await world.cpu.ours(), measured.turns);
  const found = await audit(world.database, job.name, measured);
  return { system: "lanekeeper", callers, measured, audit: found, cpu };
}

async function leastRow(world: World, callers: Callers, job: LoadJob): Promise<TurnsRow> {
  const before = await world.cpu.least();
  const measured = await world.least.ask(job);
  const cpu = per1000(before, await world.cpu.least(), measured.turns);
  const found = await world.least.audit(measured);
  return { system: "the steps alone", callers, measured, audit: found, cpu };
}

async function graphileRow(world: World, callers: Callers, job: LoadJob): Promise<TurnsRow> {
  const measured = await world.graphile(job);
  const found = auditOf(measured, measured.audit);
  return { system: "graphile-worker", callers, measured, audit: found, cpu: undefined };
}

function auditOf({ turns, turnIds }: Measured, seen: GraphileAudit): Audit {
  return { ...seen, lost: turns - turnIds.length };
}

function per1000(before: CpuSeconds, after: CpuSeconds, turns: number): CpuSeconds | undefined {
  const used = Object.entries(after).map(([name, seconds]) => {
    return [name, ((seconds - (before[name] ?? 0)) / turns) * 1_000] as const;
  });
  return used.some(([, seconds]) => Number.isNaN(seconds)) ? undefined : Object.fromEntries(used);
}
