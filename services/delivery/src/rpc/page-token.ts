import { invalid } from "@lanekeeper/rpc";

const TOKEN = /^d1\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Pages go by delivery id, so that a page neither repeats nor loses what was written meanwhile. */
export function pageToken(deliveryId: string): string {
  return Buffer.from(`d1.${deliveryId}`).toString("base64url");
}

/** Undefined for the first page. @throws INVALID_REQUEST for a token that is none of ours */
export function parsePageToken(token: string): string | undefined {
  if (token === "") return undefined;
  const deliveryId = TOKEN.exec(Buffer.from(token, "base64url").toString("latin1"))?.[1];
  if (deliveryId === undefined) throw invalid("page_token", "is none that this call gave");
  return deliveryId;
}
