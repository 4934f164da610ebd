import { userInfo } from "node:os";
import type { Env } from "@lanekeeper/service";
import { type Finding, note, ok, problem } from "./finding.ts";

/** Node, the C library, who we are, and what the shell has set. */
export function lookAtMachine(env: Env, hasOwnPostgres: boolean): Finding[] {
  return [
    ok("node", process.version),
    libc(hasOwnPostgres),
    account(),
    ...(env["http_proxy"] || env["https_proxy"] || env["grpc_proxy"]
      ? [note("proxy", "http_proxy is set: used for models and webhooks, not between the services")]
      : []),
  ];
}

function libc(hasOwnPostgres: boolean): Finding {
  const platform = `${process.platform} ${process.arch}`;
  if (process.platform !== "linux") return ok("platform", platform);
  const glibc = glibcVersion();
  if (glibc !== undefined) return ok("platform", `${platform}, glibc ${glibc}`);
  if (!hasOwnPostgres)
    return note(
      "platform",
      `${platform} without glibc: the embedded Postgres would not run, DATABASE_URL is used`,
    );
  return problem(
    "platform",
    `${platform} without glibc (musl, as Alpine has it): use a Debian-based image, or set DATABASE_URL to a Postgres of your own.`,
  );
}

function glibcVersion(): string | undefined {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: unknown } };
  const version = report.header?.glibcVersionRuntime;
  return typeof version === "string" ? version : undefined;
}

function account(): Finding {
  const uid = process.getuid?.();
  if (uid === 0) return note("account", "root: Postgres refuses root and runs as another account");
  try {
    return ok("account", userInfo().username);
  } catch {
    return note("account", `uid ${uid}, which has no entry in /etc/passwd`);
  }
}
