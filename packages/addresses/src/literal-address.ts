import { isIP } from "node:net";

/** The IP address that a URL names instead of a host; the parser has turned 0x7f.1 and the like into dots. */
export function literalAddress({ hostname }: URL): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  return isIP(bare) > 0 ? bare : undefined;
}
