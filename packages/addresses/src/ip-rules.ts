import ipaddr from "ipaddr.js";

/** Networks that may be reached although they are not public. */
export type AllowedNetworks = readonly Network[];

export interface Network {
  readonly text: string;
  readonly contains: (address: string) => boolean;
}

/**
 * Public by their range, and still a machine's own infrastructure: Azure's wire server, which hands out
 * what the machine is deployed with.
 * https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16
 */
const METADATA = new Set(["168.63.129.16"]);

/**
 * IANA gives out global unicast addresses from here alone; the rest of what a library calls unicast is
 * unassigned, or IPv4 in disguise (::7f00:1).
 * https://www.iana.org/assignments/ipv6-address-space/ipv6-address-space.xhtml
 */
const GLOBAL_UNICAST = ipaddr.parseCIDR("2000::/3");

/**
 * Why an address must not be connected to; undefined: it may. Only public unicast addresses are let
 * through: everything with a purpose of its own (loopback, private, link-local, CGNAT, IPv4 inside
 * IPv6, NAT64, 6to4, Teredo, multicast, documentation …) leads somewhere that the tenant has no business with.
 * https://www.iana.org/assignments/iana-ipv4-special-registry/iana-ipv4-special-registry.xhtml
 */
export function addressProblem(address: string, allowed: AllowedNetworks): string | undefined {
  if (!ipaddr.isValid(address)) return "is no IP address";
  if (allowed.some((network) => network.contains(address))) return undefined;
  const parsed = ipaddr.process(address);
  if (parsed.kind() !== ipaddr.parse(address).kind()) return "is IPv4 inside IPv6";
  const range = parsed.range();
  if (range !== "unicast") return `is not public (${range})`;
  if (METADATA.has(parsed.toString())) return "is not public (metadata)";
  const isGlobal = parsed.kind() === "ipv4" || parsed.match(GLOBAL_UNICAST);
  return isGlobal ? undefined : "is not public (unassigned)";
}

/** One network in CIDR notation, or a single address. Undefined: it is neither. */
export function parseNetwork(text: string): Network | undefined {
  const cidr = text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
  if (!ipaddr.isValidCIDR(cidr)) return undefined;
  const [base, bits] = ipaddr.parseCIDR(cidr);
  const contains = (address: string): boolean => {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.parse(address);
    return parsed.kind() === base.kind() && parsed.match(base, bits);
  };
  return { text, contains };
}
