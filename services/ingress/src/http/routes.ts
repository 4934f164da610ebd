import type { Exchange } from "./exchange.ts";

/** One door. */
export interface Route {
  readonly method: "GET" | "POST";
  /** Exact, or ending in `/*`, which stands for one or more further characters. */
  readonly path: string;
  /** Whether the request log keeps its requests. */
  readonly isLogged?: boolean;
  /** Answers, or throws what the caller is to be told. */
  handle(exchange: Exchange): Promise<void>;
}

/** Where a request leads. */
export type Match =
  | { readonly kind: "route"; readonly route: Route; readonly rest: string }
  | { readonly kind: "method"; readonly path: string; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

/** HEAD is asked as GET; Node leaves the body out. */
export function matchRoute(routes: readonly Route[], method: string, path: string): Match {
  const found = routes.filter((route) => covers(route.path, path));
  const asked = method === "HEAD" ? "GET" : method;
  const route = found.find((one) => one.method === asked);
  if (route !== undefined) return { kind: "route", route, rest: restOf(route.path, path) };
  if (found[0] === undefined) return { kind: "none" };
  return { kind: "method", path: found[0].path, allowed: found.map((one) => one.method) };
}

function covers(pattern: string, path: string): boolean {
  if (!pattern.endsWith("/*")) return pattern === path;
  const prefix = pattern.slice(0, -1);
  return path.startsWith(prefix) && path.length > prefix.length;
}

function restOf(pattern: string, path: string): string {
  return pattern.endsWith("/*") ? path.slice(pattern.length - 1) : "";
}
