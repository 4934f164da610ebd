import { eventually } from "@lanekeeper/testing";
import { Erasures } from "../erasing/erasures.ts";
import { LIMITS } from "../limits.ts";
import type { StoodErasure } from "./erasures-stand-in.ts";
import type { Replica, World } from "./world.ts";

/** A look at what is to be erased, in place of waiting for it: of turns that have ended long enough ago. */
export async function lookAt(world: World, replica: Replica): Promise<void> {
  await world.db.query(
    "UPDATE turns SET end_time = end_time - $1 * interval '1 ms' WHERE end_time IS NOT NULL",
    [LIMITS.erasedTurnRestMs + 1_000],
  );
  await new Erasures(replica.context.cancelParts).look();
}

/** Looks until the runner has nothing of an erasure any more, which is settled. */
export async function lookUntilDone(
  world: World,
  replica: Replica,
  erasure: StoodErasure,
): Promise<void> {
  erasure.settled = true;
  await eventually(async () => {
    await lookAt(world, replica);
    return erasure.done;
  });
}

/** Every table of the schema, whatever is in it, and those of its rows in which a text stands in any column. */
export async function rowsWith({ db }: World, text: string): Promise<Record<string, number>> {
  const tables = await db.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()",
  );
  const found: Record<string, number> = {};
  for (const { name } of tables.rows) {
    // Bytes are shown as hexadecimal digits.
    const { rowCount } = await db.query(
      `SELECT FROM "${name}" x
       WHERE strpos(x::text, $1) > 0 OR strpos(x::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0`,
      [text],
    );
    if (rowCount > 0) found[name] = rowCount;
  }
  return found;
}
