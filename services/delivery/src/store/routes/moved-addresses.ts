import { type KnownAddress, moved } from "../../domain/moved-address.ts";
import { type DeliveryDatabase, first, rows, type Sql } from "../sql.ts";
import { type ChatPlace, placeParams } from "./chat-place.ts";

/** An id that nobody has told of stands for itself. Both rows are locked, in the order of their ids. */
const LOCK_BOTH = {
  name: "delivery_lock_moved_addresses",
  text: `
INSERT INTO moved_addresses AS m (tenant, kind, account_id, address, current_address, change_time, update_time)
SELECT $1, $2, $3, id, id, to_timestamp(0), clock_timestamp() FROM unnest($4::text[]) AS id
ON CONFLICT (tenant, kind, account_id, address) DO UPDATE SET update_time = excluded.update_time
RETURNING address, current_address AS "currentAddress",
  (extract(epoch FROM change_time) * 1000)::float8 AS "sinceMs"`,
};

const KNOW = {
  name: "delivery_know_address",
  text: `
UPDATE moved_addresses SET current_address = $5, change_time = to_timestamp($6::float8 / 1000)
WHERE tenant = $1 AND kind = $2 AND account_id = $3 AND address = $4`,
};

/** What led to an id that has gone leads to where that leads: one look tells where a conversation is. */
const LEAD_ON = {
  name: "delivery_lead_addresses_on",
  text: `
UPDATE moved_addresses
SET current_address = $5, change_time = greatest(change_time, to_timestamp($6::float8 / 1000))
WHERE tenant = $1 AND kind = $2 AND account_id = $3 AND current_address = $4 AND address <> $4`,
};

/**
 * Remembers that a conversation has got another id. Gives the one by which it is reached now; its own where it has
 * got that back since.
 * @param at when, as the platform tells it; undefined: now
 */
export function recordMove(
  db: DeliveryDatabase,
  place: ChatPlace,
  newAddress: string,
  at: Date | undefined,
  now: Date,
): Promise<string> {
  return db.transaction(async (sql) => {
    const [tenant, kind, accountId] = placeParams(place);
    const ids = [place.address, newAddress].toSorted();
    const known = await rows<KnownAddress>(sql, LOCK_BOTH, [tenant, kind, accountId, ids]);
    const of = (id: string): KnownAddress =>
      known.find(({ address }) => address === id) ?? {
        address: id,
        currentAddress: id,
        sinceMs: 0,
      };
    const [from, to] = [of(place.address), of(newAddress)];
    const news = moved(from, to, at?.getTime(), now.getTime());
    if (news === undefined) return from.currentAddress;
    for (const { address, currentAddress, sinceMs } of news) {
      await sql.query(KNOW, [tenant, kind, accountId, address, currentAddress, sinceMs]);
    }
    const [{ currentAddress, sinceMs }] = news;
    await sql.query(LEAD_ON, [...placeParams(place), currentAddress, sinceMs]);
    return currentAddress;
  });
}

const READ = {
  name: "delivery_current_address",
  text: `
SELECT current_address AS "currentAddress" FROM moved_addresses
WHERE tenant = $1 AND kind = $2 AND account_id = $3 AND address = $4`,
};

/** By which id a conversation is reached now: its own, as far as anybody has told. */
export async function currentAddress(sql: Sql, place: ChatPlace): Promise<string> {
  const found = await first<{ currentAddress: string }>(sql, READ, placeParams(place));
  return found?.currentAddress ?? place.address;
}
