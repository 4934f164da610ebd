import type { Exchange } from "./exchange.ts";

/** One door. */
export interface Route {
  readonly method: "GET" | "POST";
  /** Exact; or with `{id}`, a segment; or ending in `/*`, which stands for one or more further characters. */
  readonly path: string;
  /**
   * What an id begins with. At anything else in its place another method is no method refused: what OpenAI
   * serves there beside ids is an unknown path. Left out: an id may be anything.
   */
  readonly idPrefix?: string;
  /** Whether the request log keeps its requests. */
  readonly isLogged?: boolean;
  /** Answers, or throws what the caller is to be told. */
  handle(exchange: Exchange): Promise<void>;
}

/** Where a request leads. */
export type Match =
  | { readonly kind: "route"; readonly route: Route; readonly rest: string }
  | { readonly kind: "method"; readonly path: string; readonly allowed: readonly string[] }
  /** `meant`: where it would lead under a base URL that ends in one `/v1`, if there is something. */
  | { readonly kind: "none"; readonly meant?: string };

/** A route whose path is asked for. */
interface Found {
  readonly route: Route;
  readonly rest: string;
}

/** HEAD is asked as GET; Node leaves the body out. */
export function matchRoute(routes: readonly Route[], method: string, path: string): Match {
  const found = findAll(routes, path);
  const asked = method === "HEAD" ? "GET" : method;
  const taken = found.find(({ route }) => route.method === asked);
  if (taken !== undefined) return { kind: "route", ...taken };
  const there = found.filter(isThere);
  if (there[0] === undefined) return nothing(routes, path);
  const allowed = there.map(({ route }) => route.method);
  return { kind: "method", path: there[0].route.path, allowed };
}

function findAll(routes: readonly Route[], path: string): Found[] {
  return routes.flatMap((route) => {
    const rest = restOf(route.path, path);
    return rest === undefined ? [] : [{ route, rest }];
  });
}

/** Whether the path is the route's whatever its method is. */
function isThere({ route: { idPrefix = "" }, rest }: Found): boolean {
  return rest.startsWith(idPrefix);
}

/** What stands in place of the pattern's `{id}` or `*`, empty for an exact one; undefined: another path. */
function restOf(pattern: string, path: string): string | undefined {
  const isOpen = pattern.endsWith("/*");
  const [before = "", after = ""] = isOpen ? [pattern.slice(0, -1)] : pattern.split("{id}");
  if (!isOpen && before === pattern) return path === pattern ? "" : undefined;
  const rest = path.slice(before.length, path.length - after.length);
  const isPath = rest !== "" && path === `${before}${rest}${after}`;
  return isPath && (isOpen || !rest.includes("/")) ? rest : undefined;
}

/** Clients build paths upon a base URL, which is easily given without its `/v1`, or with two. */
function nothing(routes: readonly Route[], path: string): Match {
  const meant = path.startsWith("/v1/") ? path.slice("/v1".length) : `/v1${path}`;
  const served = routes.filter((route) => route.path.startsWith("/v1/"));
  return findAll(served, meant).some(isThere) ? { kind: "none", meant } : { kind: "none" };
}
