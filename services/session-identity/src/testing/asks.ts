import type { CanonicalKey } from "@lanekeeper/session-key";
import type { BeginAnswer } from "../domain/begin-run.ts";
import type { Fence, WriteAnswer } from "../domain/records.ts";
import type { Refusal } from "../domain/refusal.ts";
import type { ReserveAnswer } from "../domain/reserve.ts";
import type { RotateAnswer, RotateCommand } from "../domain/rotate.ts";
import type { WriteReplyCommand } from "../domain/write-reply.ts";
import type { WriteRunCommand } from "../domain/write-run.ts";
import type { Engine } from "../engine/engine.ts";
import { beginCommand, rotateCommand } from "./commands.ts";

const asker = { source: "runner", principal: "alice", requestId: "r", traceId: "" };

/** Commands to an engine, for one key of one tenant. */
export function asks(engine: Engine, tenant: string, key: string) {
  const sessionKey = key as CanonicalKey;
  const common = { tenant, sessionKey, asker };
  return {
    reserve: (): Promise<ReserveAnswer | Refusal> =>
      engine.submit<"reserve">({
        ...common,
        ask: {
          kind: "reserve",
          command: { sessionKey, internal: false, rawKey: key, mintedMs: undefined },
          ...{ agentId: "main", binding: undefined, ledBy: undefined },
        },
      }),
    begin: (
      runId: string,
      change: Parameters<typeof beginCommand>[1] = {},
    ): Promise<BeginAnswer | Refusal> =>
      engine.submit<"begin">({
        ...common,
        ask: {
          kind: "begin",
          command: { ...beginCommand(0, change), sessionKey, runId },
          agentId: "main",
        },
      }),
    write: (command: WriteRunCommand): Promise<WriteAnswer | Refusal> =>
      engine.submit<"write_run">({ ...common, ask: { kind: "write_run", command } }),
    writeReply: (command: WriteReplyCommand): Promise<WriteAnswer | Refusal> =>
      engine.submit<"write_reply">({ ...common, ask: { kind: "write_reply", command } }),
    rotate: (
      requestId: string,
      change: Partial<RotateCommand> = {},
    ): Promise<RotateAnswer | Refusal> =>
      engine.submit<"rotate">({
        ...common,
        ask: {
          kind: "rotate",
          command: rotateCommand({ ...change, sessionKey }),
          ...{ requestId, fingerprint: JSON.stringify(change.note ?? "") },
        },
      }),
  };
}

/** The answer, which was no refusal. */
export function granted<Answer>(answer: Answer | Refusal): Answer {
  if (typeof answer === "object" && answer !== null && "refused" in answer) {
    throw new Error(`refused: ${answer.reason}`);
  }
  return answer as Answer;
}

/** The fence of a run, as any of its events shows it. */
export function fenceOf(answer: BeginAnswer | Refusal): Fence {
  return granted(answer).fence;
}
