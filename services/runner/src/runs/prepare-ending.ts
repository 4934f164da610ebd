import type { EndingOfRun, PrepareResult } from "../store/runs/prepare.ts";
import { prepareInterrupted } from "../store/runs/prepare-interrupted.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";

/** Step one of a commit: the ending is stored before session-identity is told. */
export function prepareEnding(
  deps: Pick<RunnerDeps, "db" | "steps" | "clock" | "log" | "metrics">,
  one: EndingOfRun,
): Promise<PrepareResult> {
  return persist(deps, "prepare an ending", () =>
    one.ending.state === "INTERRUPTED" ? prepareInterrupted(deps.db, one) : deps.steps.prepare(one),
  );
}
