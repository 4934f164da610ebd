import type { Claimed } from "./claimed.ts";
import type { Sql } from "../sql.ts";

const NOTE = {
  name: "delivery_note_piece",
  text: `
UPDATE deliveries SET piece_handle = $4
WHERE tenant = $1 AND delivery_id = $2 AND attempt_count = $3 AND state = 2`,
};

/**
 * Stores what the channel calls the piece that is sent next.
 * @throws Error where the claim was lost: another process is at it
 */
export async function notePiece(
  sql: Sql,
  { tenant, deliveryId, attempt }: Claimed,
  handle: string,
): Promise<void> {
  const { rowCount } = await sql.query(NOTE, [tenant, deliveryId, attempt, handle]);
  if (rowCount !== 1) throw new Error("the claim was lost before the piece was sent");
}
