import { parseSqlName } from "../schema/sql-name.ts";

/**
 * Begins no escape, as in a password that was put into a URL as it is. pg takes it for itself, and with it
 * every escape of letters in the same URL, such as those of the settings that we add.
 */
const STRAY_PERCENT = /%(?![0-9a-f]{2})/gi;

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

/** The same URL with a search path. */
export function urlWithSearchPath(url: string, schemas: readonly string[]): string {
  return urlWithSettings(url, { search_path: schemas.map(parseSqlName).join(",") });
}

/**
 * The same URL with settings of the server. They go into the URL, beside what `options` already says,
 * because the parameters of a URL win over those of the pool.
 * @param settings without blanks or backslashes.
 */
export function urlWithSettings(url: string, settings: Readonly<Record<string, string>>): string {
  const changed = new URL(url.replaceAll(STRAY_PERCENT, "%25"));
  const earlier = changed.searchParams.get("options");
  const added = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const options = [...(earlier === null ? [] : [earlier]), ...added];
  if (options.length > 0) changed.searchParams.set("options", options.join(" "));
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
