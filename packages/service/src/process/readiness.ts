import { finishWithin } from "../waiting/within.ts";

/** Whether new work may come here; the reasons are clauses for people. */
export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly reasons: readonly string[] };

export const READY: Readiness = { ready: true };

export function notReady(...reasons: string[]): Readiness {
  return { ready: false, reasons };
}

/** Probes give up after a second by default (Kubernetes' timeoutSeconds), so an answer must come before. */
const CHECK_TIMEOUT_MS = 800;

/** Asks a readiness check that may hang or throw. */
export async function checkReadiness(
  check: () => Readiness | Promise<Readiness>,
  timeoutMs: number = CHECK_TIMEOUT_MS,
): Promise<Readiness> {
  let answer = notReady(`the readiness check did not answer within ${timeoutMs} ms`);
  const finish = await finishWithin(timeoutMs, async () => {
    answer = await check();
  });
  if (finish.kind !== "failed") return answer;
  const { error } = finish;
  return notReady(
    `the readiness check failed: ${error instanceof Error ? error.message : "unknown"}`,
  );
}
