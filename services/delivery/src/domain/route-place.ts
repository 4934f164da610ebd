import { createHash } from "node:crypto";

/** What tells two routes of a key apart. */
export interface Place {
  /** RouteKind. */
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
  readonly threadId: string;
}

/** SHA-256 of the place. JSON keeps the fields apart whatever stands in them. */
export function placeDigest({ kind, accountId, address, threadId }: Place): Buffer {
  return createHash("sha256")
    .update(JSON.stringify([kind, accountId, address, threadId]))
    .digest();
}
