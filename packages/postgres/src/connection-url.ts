import { parseSqlName } from "./sql-name.ts";

/** The same database for another role. */
export function urlForRole(url: string, role: string, password: string): string {
  const changed = new URL(url);
  // Parameters of these names would win over the user-info part.
  changed.searchParams.delete("user");
  changed.searchParams.delete("password");
  if (changed.host === "") {
    // A socket's URL has no host, and so no place for user info.
    changed.searchParams.set("user", role);
    changed.searchParams.set("password", password);
  } else {
    changed.username = encodeURIComponent(role);
    changed.password = encodeURIComponent(password);
  }
  return changed.href;
}

/**
 * The same URL with a search path. It goes into the URL, beside what `options` already says, because
 * the parameters of a URL win over those of the pool.
 */
export function urlWithSearchPath(url: string, schemas: readonly string[]): string {
  const changed = new URL(url);
  const earlier = changed.searchParams.get("options");
  const path = `-c search_path=${schemas.map(parseSqlName).join(",")}`;
  changed.searchParams.set("options", earlier === null ? path : `${earlier} ${path}`);
  return changed.href;
}

/** Host and port, for messages: never the password. */
export function whereIs(url: string): string {
  try {
    const { hostname, port, searchParams } = new URL(url);
    return `${hostname || searchParams.get("host") || "the local socket"}:${port || "5432"}`;
  } catch {
    return "an address that is no URL";
  }
}
