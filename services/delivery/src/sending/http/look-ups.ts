import { Turnstile } from "@lanekeeper/service";
import { type Resolve, resolvedBefore } from "./resolve.ts";

/** Looks a name up that a tenant gave. @throws the signal's reason */
export type LookUp = (
  tenant: string,
  hostname: string,
  signal: AbortSignal,
) => Promise<readonly string[]>;

/** A name that a tenant asks for, from the wait for its place on. */
interface Asked {
  readonly found: Promise<readonly string[]>;
  /** Who waits for it. */
  users: number;
}

interface Names {
  readonly turnstile: Turnstile;
  readonly asked: Map<string, Asked>;
}

const NEVER = new AbortController().signal;

/**
 * The machine's resolver has few threads for the whole process, and no look-up can be taken back: names whose
 * servers keep silent hold one for ten seconds and longer. So a tenant has so many look-ups under way at once,
 * until their very end, and asks once for one name, whoever of it waits for that.
 */
export function boundedLookUps(resolve: Resolve, perTenant: number): LookUp {
  const tenants = new Map<string, Names>();

  const ask = (tenant: string, names: Names, hostname: string): Asked => {
    const asked: Asked = { found: inTurn(names, hostname, resolve), users: 0 };
    names.asked.set(hostname, asked);
    const ended = (): void => {
      names.asked.delete(hostname);
      if (names.asked.size === 0) tenants.delete(tenant);
    };
    asked.found.then(ended, ended);
    return asked;
  };

  return async (tenant, hostname, signal) => {
    const names = tenants.get(tenant) ?? {
      turnstile: new Turnstile(perTenant),
      asked: new Map<string, Asked>(),
    };
    tenants.set(tenant, names);
    const asked = names.asked.get(hostname) ?? ask(tenant, names, hostname);
    asked.users += 1;
    try {
      return await resolvedBefore(signal, asked.found);
    } finally {
      asked.users -= 1;
    }
  };
}

/** Whom nobody waits for any more when their turn comes are not looked up. */
async function inTurn(
  { turnstile, asked }: Names,
  hostname: string,
  resolve: Resolve,
): Promise<readonly string[]> {
  const leave = await turnstile.enter(NEVER);
  try {
    return asked.get(hostname)?.users === 0 ? [] : await resolve(hostname);
  } finally {
    leave();
  }
}

/** libuv's, where nothing else is said; half of them, rounded up, look names up. */
const THREADS = 4;

/**
 * A quarter of the threads that look names up, so that some are left for others: one in a process with libuv's own
 * number of them, two with the 16 that `lanekeeper start` gives.
 */
export function lookUpsPerTenant({
  UV_THREADPOOL_SIZE: size,
}: Readonly<Record<string, string | undefined>>): number {
  const threads = Number.parseInt(size ?? "", 10) || THREADS;
  return Math.max(1, Math.floor(Math.ceil(threads / 2) / 4));
}
