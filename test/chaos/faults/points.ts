import type { ServiceName } from "@lanekeeper/service";
import type { Patch } from "../mutants/planted.ts";

/** A place in the code at which a process that is armed there dies, when it first comes by. */
export interface Point extends Patch {
  readonly service: ServiceName;
}

const DIE = 'process.kill(process.pid, "SIGKILL");';

export const POINTS: readonly Point[] = [
  {
    name: "before a commit of session-identity",
    service: "session-identity",
    file: "services/session-identity/src/engine/run-batch.ts",
    find: "  await writes.flush(tx);\n",
    put: `  await writes.flush(tx);\n  ${DIE}\n`,
  },
  {
    name: "after a commit of session-identity, before the reply",
    service: "session-identity",
    file: "services/session-identity/src/engine/engine.ts",
    find: "= await runBatch(context, commands);\n",
    put: `= await runBatch(context, commands);\n  ${DIE}\n`,
  },
  {
    name: "after the model's answer",
    service: "runner",
    file: "services/runner/src/running/commit.ts",
    find: "  const held = heldBy(run);\n  const prepared",
    put: `  ${DIE}\n  const held = heldBy(run);\n  const prepared`,
  },
  {
    name: "after an ending was prepared",
    service: "runner",
    file: "services/runner/src/running/commit.ts",
    find: "  await run.told?.();\n  return carryThrough",
    put: `  ${DIE}\n  await run.told?.();\n  return carryThrough`,
  },
  {
    name: "after an ending was accepted, before it is visible",
    service: "runner",
    file: "services/runner/src/running/commit.ts",
    find: "  const told = toldBy(run.turn, ending);\n",
    put: `  ${DIE}\n  const told = toldBy(run.turn, ending);\n`,
  },
  {
    name: "after the receiver's 200",
    service: "delivery",
    file: "services/delivery/src/sending/run-attempt.ts",
    find: "  const outcome = await send(deps, claimed, fence, signal, notes);\n",
    put: `  const outcome = await send(deps, claimed, fence, signal, notes);\n  if (fence.wasAccepted) ${DIE}\n`,
  },
];
