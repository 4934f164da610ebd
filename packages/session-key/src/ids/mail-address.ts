import { domainToASCII } from "node:url";

/** ASCII that a domain may hold before it is encoded; `/`, `%` or `:` would make the encoder cut. */
const DOMAIN = /^[A-Za-z0-9._\-\u{80}-\u{10FFFF}]+$/u;

/** Labels of at most 63 octets (RFC 1035); a last label of digits is read as an IPv4 address. */
const ENCODED = /^(?:[a-z0-9_-]{1,63}\.)*(?![0-9]+$)[a-z0-9_-]{1,63}$/;

/**
 * A mail address with its domain lower-cased and IDNA-encoded (UTS #46, as URLs do it). The local
 * part stands as it is: whether its case matters is for the receiving host to say (RFC 5321, 2.4).
 * Undefined where there is no domain.
 */
export function mailAddress(text: string): string | undefined {
  const at = text.lastIndexOf("@");
  const domain = text.slice(at + 1);
  if (at < 1 || !DOMAIN.test(domain)) return undefined;
  const encoded = domainToASCII(domain);
  return ENCODED.test(encoded) ? `${text.slice(0, at)}@${encoded}` : undefined;
}
