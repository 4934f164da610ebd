import { type AllowedNetworks, addressProblem, literalAddress } from "@lanekeeper/addresses";

declare const brand: unique symbol;

/** A URL that a webhook may have, as it was given. What its name leads to is checked at each send. */
export type WebhookAddress = string & { readonly [brand]: "WebhookAddress" };

/** Why a text is no address for a webhook, for people. */
export interface AddressRefusal {
  readonly problem: string;
}

/**
 * http or https, without user and password (which would be stored and shown), of at most `maxBytes`
 * bytes; a literal address must be one that may be posted to.
 */
export function parseWebhookAddress(
  text: string,
  allowed: AllowedNetworks,
  maxBytes: number,
): WebhookAddress | AddressRefusal {
  if (Buffer.byteLength(text) > maxBytes) return { problem: `may have ${maxBytes} bytes` };
  // The parser drops white space and control characters, so that another URL would be called than shown.
  if (/[\s\p{Cc}]/u.test(text)) return { problem: "has white space or control characters" };
  if (!URL.canParse(text)) return { problem: "is no URL" };
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return { problem: "is no http or https URL" };
  }
  if (url.username !== "" || url.password !== "") return { problem: "has a user or a password" };
  const literal = literalAddress(url);
  const problem = literal === undefined ? undefined : addressProblem(literal, allowed);
  return problem === undefined ? (text as WebhookAddress) : { problem: `${literal} ${problem}` };
}
