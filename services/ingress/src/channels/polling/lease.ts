import type { Queryable } from "@lanekeeper/postgres";
import type { TenantAccount } from "../account.ts";

/** Who may ask for an account's events. */
export interface PollLeases {
  /** Takes or renews the lease. False: another holds it. */
  take(account: TenantAccount, holder: string, leaseMs: number): Promise<boolean>;
  /** Gives it back, where it is still held. */
  release(account: TenantAccount, holder: string): Promise<void>;
}

/** An expired lease is taken over; the row's lock lets one of several do so. */
const TAKE = `
  INSERT INTO channel_pollers AS p (tenant, kind, account_id, holder, expire_time)
  VALUES ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 ms')
  ON CONFLICT (kind, account_id, tenant) DO UPDATE
    SET holder = excluded.holder, expire_time = excluded.expire_time
    WHERE p.holder = excluded.holder OR p.expire_time < clock_timestamp()
  RETURNING holder`;

const RELEASE = `
  DELETE FROM channel_pollers
  WHERE tenant = $1 AND kind = $2 AND account_id = $3 AND holder = $4`;

/** Leases in Postgres, by its clock. */
export function pollLeases(db: Pick<Queryable<unknown>, "query">): PollLeases {
  const nameOf = ({ tenant, account }: TenantAccount) => [tenant, account.kind, account.accountId];
  return {
    take: async (account, holder, leaseMs) =>
      (await db.query(TAKE, [...nameOf(account), holder, leaseMs])).rows.length > 0,
    release: async (account, holder) => {
      await db.query(RELEASE, [...nameOf(account), holder]);
    },
  };
}
