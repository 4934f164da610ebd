import { invalid } from "@lanekeeper/rpc";

/** Pages go by entry id, so that a page neither repeats nor loses what was written meanwhile. */
export function pageToken(entryId: bigint): string {
  return Buffer.from(`r1.${entryId}`).toString("base64url");
}

const PAGE_SIZE = { byDefault: 50, max: 500 };

/** @throws INVALID_REQUEST */
export function parsePageSize(size: number): number {
  if (size >= 0 && size <= PAGE_SIZE.max) return size === 0 ? PAGE_SIZE.byDefault : size;
  throw invalid("page_size", `must be 1 to ${PAGE_SIZE.max}`);
}

/** Undefined for the first page. @throws INVALID_REQUEST for a token that is none of ours */
export function parsePageToken(token: string): bigint | undefined {
  if (token === "") return undefined;
  const digits = /^r1\.(\d{1,18})$/.exec(Buffer.from(token, "base64url").toString("latin1"))?.[1];
  if (digits === undefined) throw invalid("page_token", "is none that this call gave");
  return BigInt(digits);
}
