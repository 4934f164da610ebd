import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type CallContext, peerName, permissionDenied } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import type { WriteAnswer } from "../domain/records.ts";
import type { Refusal } from "../domain/refusal.ts";
import { askerOf } from "../names/caller.ts";
import { decided, fenceFields } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { type WriteCommand, writeCommand } from "./parse/lifecycle.ts";

export function writeLifecycle(context: IdentityContext): IdentityRoutes["writeLifecycle"] {
  return async (request, call) => {
    const write = writeCommand(request);
    checkWriter(write, call);
    const result = await submit(context, write, call);
    const operation = `${write.writer}_${write.command.event.kind}`;
    const answer = decided(context, call, operation, fenceFields(write.command.fence), result);
    return {
      applied: answer.applied,
      revision: answer.revision,
      ...(write.writer === "run" ? { leaseDuration: durationFromMs(answer.leaseMs) } : {}),
    };
  };
}

/** A run's events are the runner's to write, a reply's are delivery's. */
const WRITERS = { run: "runner", reply: "delivery" } as const;

function checkWriter({ writer }: WriteCommand, call: CallContext): void {
  const peer = peerName(call.peer);
  if (peer === WRITERS[writer]) return;
  throw permissionDenied(`${peer} writes no event of a ${writer}`, { writer, peer });
}

function submit(
  { engine }: IdentityContext,
  write: WriteCommand,
  call: CallContext,
): Promise<WriteAnswer | Refusal> {
  const { sessionKey } = write.command.fence;
  const { tenant } = call;
  const asker = askerOf(call);
  if (write.writer === "run") {
    const ask = { kind: "write_run", command: write.command } as const;
    return engine.submit<"write_run">({ tenant, sessionKey, asker, ask }, call.abortState);
  }
  const ask = { kind: "write_reply", command: write.command } as const;
  return engine.submit<"write_reply">({ tenant, sessionKey, asker, ask }, call.abortState);
}
