import { lookup as dnsLookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { type AllowedNetworks, addressProblem, literalAddress } from "@lanekeeper/addresses";
import { Agent, fetch as fetchThrough, type RequestInit as ThroughInit } from "undici";
import type { Fetch } from "./bounded-fetch.ts";

/** An endpoint that may be reached at public addresses alone is elsewhere. */
export class NotPublicError extends Error {}

/**
 * A `fetch` that connects to public addresses alone. A name is resolved by the connection itself, which goes to
 * what was judged; one address that is not public spoils them all, so that a name cannot lead inside by its second
 * record. Not told which: what names lead to inside is not the tenant's to know.
 * @throws NotPublicError
 */
export function publicOnlyFetch(
  allowed: AllowedNetworks = [],
  lookup: typeof dnsLookup = dnsLookup,
): Fetch {
  const dispatcher = new Agent({ connect: { lookup: publicLookup(allowed, lookup) } });
  return async (url, init) => {
    const at = new URL(url);
    const literal = literalAddress(at);
    if (literal !== undefined) refuseInside(at.hostname, [literal], allowed);
    const through = { ...(init as unknown as ThroughInit), dispatcher };
    const response = await fetchThrough(at, through).catch((error: unknown) => {
      throw error instanceof Error && error.cause instanceof NotPublicError ? error.cause : error;
    });
    return response as unknown as Response;
  };
}

/** The one that models and MCP servers are called by, with its connections. */
export const publicFetch = publicOnlyFetch();

function publicLookup(allowed: AllowedNetworks, lookup: typeof dnsLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, "", 0);
      try {
        const addresses = found.map(({ address }) => address);
        refuseInside(hostname, addresses, allowed);
      } catch (refusal) {
        return callback(refusal as NodeJS.ErrnoException, "", 0);
      }
      const [first] = found;
      if (options.all === true) return callback(null, found);
      callback(null, first?.address ?? "", first?.family);
    });
  };
}

function refuseInside(
  hostname: string,
  addresses: readonly string[],
  allowed: AllowedNetworks,
): void {
  if (addresses.every((address) => addressProblem(address, allowed) === undefined)) return;
  throw new NotPublicError(
    `${hostname} leads to an address that is not public; such are given by the configuration alone`,
  );
}
