import type { ServiceName } from "@lanekeeper/service";
import type { Patch } from "./planted.ts";

/** A place in the code at which a process that is armed there dies, or stands still. */
export interface Point extends Patch {
  readonly service: ServiceName;
}

function point(
  service: ServiceName,
  file: string,
  name: string,
  find: string,
  put: (here: string) => string,
): Point {
  return {
    service,
    name,
    file: `services/${file}`,
    find,
    put: put(`globalThis.chaosPoint("${name}");`),
  };
}

const IDENTITY = "session-identity/src/engine";
const COMMIT = "runner/src/runs/commit.ts";
const SENDING = "delivery/src/sending";

export const POINTS: readonly Point[] = [
  point(
    "session-identity",
    `${IDENTITY}/run-batch.ts`,
    "before a commit of session-identity",
    "  await writes.flush(tx);\n",
    (here) => `  await writes.flush(tx);\n  ${here}\n`,
  ),
  point(
    "session-identity",
    `${IDENTITY}/run-batch.ts`,
    "after a compare-and-set of session-identity, before the reply",
    "= await writeKnown(context, commands);\n",
    (here) => `= await writeKnown(context, commands);\n  ${here}\n`,
  ),
  point(
    "session-identity",
    `${IDENTITY}/engine.ts`,
    "after a commit of session-identity, before the reply",
    "= await runBatch(context, commands);\n",
    (here) => `= await runBatch(context, commands);\n  ${here}\n`,
  ),
  point(
    "runner",
    "runner/src/rpc/accept.ts",
    "before a turn is accepted",
    "  const result = await admit(deps, turn, {\n",
    (here) => `  ${here}\n  const result = await admit(deps, turn, {\n`,
  ),
  point(
    "runner",
    "runner/src/rpc/accept.ts",
    "after a turn was accepted, before the reply",
    "  report(context, result);\n",
    (here) => `  ${here}\n  report(context, result);\n`,
  ),
  point(
    "runner",
    COMMIT,
    "after the model's answer",
    "  const held = heldBy(run);\n  const prepared",
    (here) => `  ${here}\n  const held = heldBy(run);\n  const prepared`,
  ),
  point(
    "runner",
    COMMIT,
    "after an ending was prepared",
    "  return carryThrough(deps, run, prepared.ending, giveUp);\n",
    (here) => `  ${here}\n  return carryThrough(deps, run, prepared.ending, giveUp);\n`,
  ),
  point(
    "runner",
    COMMIT,
    "after an ending was accepted, before it is visible",
    '  if (verdict === "accepted") return makeVisible(deps, run, ending);\n',
    (here) =>
      `  if (verdict === "accepted") {\n    ${here}\n    return makeVisible(deps, run, ending);\n  }\n`,
  ),
  point(
    "delivery",
    `${SENDING}/webhook/webhook-channel.ts`,
    "after a claim was granted, before the first byte",
    "  return postOver(connection, {\n",
    (here) => `  ${here}\n  return postOver(connection, {\n`,
  ),
  point(
    "delivery",
    `${SENDING}/run-attempt.ts`,
    "after the receiver's 200",
    "  const outcome = await send(deps, { claimed, isBeforeTold, fence, signal, notes });\n",
    (here) =>
      `  const outcome = await send(deps, { claimed, isBeforeTold, fence, signal, notes });\n  if (fence.wasAccepted) ${here}\n`,
  ),
];
