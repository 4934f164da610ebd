import { lookup } from "node:dns/promises";
import { type AllowedNetworks, addressProblem, literalAddress } from "@lanekeeper/addresses";
import type { SendOutcome } from "../../domain/send-outcome.ts";

/** Every address of a name. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** As the rest of the machine resolves, /etc/hosts included; in the resolver's order. */
export const systemResolve: Resolve = async (hostname) => {
  const found = await lookup(hostname, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

/** The addresses that a connection may be made to; nothing is resolved after this. */
export type Pinned = { readonly addresses: readonly string[] } | { readonly outcome: SendOutcome };

/**
 * Resolves the URL's name once and checks every address that it has: one that is forbidden spoils them
 * all, so that a name cannot lead inside by its second record, nor by changing between two look-ups.
 */
export async function resolvePinned(
  url: URL,
  resolve: Resolve,
  allowed: AllowedNetworks,
): Promise<Pinned> {
  const literal = literalAddress(url);
  const found = literal === undefined ? await lookedUp(url.hostname, resolve) : [literal];
  if (!Array.isArray(found)) return { outcome: failed(`${url.hostname}: ${String(found)}`) };
  if (found.length === 0) return { outcome: failed(`${url.hostname} has no address`) };
  for (const address of found) {
    const problem = addressProblem(address, allowed);
    const error = `${url.hostname} leads to ${address}, which ${problem}`;
    if (problem !== undefined) return { outcome: { kind: "refused", error } };
  }
  return { addresses: found };
}

async function lookedUp(hostname: string, resolve: Resolve): Promise<readonly string[] | string> {
  try {
    return [...(await resolve(hostname))];
  } catch (error) {
    return error instanceof Error ? error.message : "cannot be resolved";
  }
}

function failed(error: string): SendOutcome {
  return { kind: "failed", error };
}

/** A resolver cannot be cut off; its answer is left to itself. @throws the signal's reason */
export function resolvedBefore<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
