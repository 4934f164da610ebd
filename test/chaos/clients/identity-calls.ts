import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import type { IdentityClient } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { RotationReason, RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Calls } from "../history/calls.ts";
import type { Recorder } from "../history/recorder.ts";
import { CALL_MS } from "./scene.ts";

type Ask<F extends keyof Calls> = Calls[F]["ask"];

/** Calls of session-identity, recorded. Nothing is asked again unseen: a repeat is a call of its own. */
export class IdentityCalls {
  readonly #recorder: Recorder;
  readonly #process: string;

  constructor(recorder: Recorder, process: string) {
    this.#recorder = recorder;
    this.#process = process;
  }

  resolve(door: IdentityClient, ask: Ask<"resolve">) {
    return this.#recorder.call("resolve", this.#process, ask, async () => {
      const name = { case: "rawKey", value: ask.name } as const;
      const { session } = await door.resolveSession({ name }, options(ask));
      const { sessionKey: key = "", sessionId = "", generation = 0n } = session?.ref ?? {};
      const epoch = Number(session?.runEpoch ?? 0n);
      return { key, sessionId, generation: Number(generation), epoch };
    });
  }

  normalize(door: IdentityClient, ask: Ask<"normalize">) {
    const normalize = async (value: string) => {
      const name = { case: "rawKey", value } as const;
      return (await door.normalizeKey({ name }, options(ask))).sessionKey;
    };
    return this.#recorder.call("normalize", this.#process, ask, async () => {
      const key = await normalize(ask.name);
      return { key, again: await normalize(key) };
    });
  }

  rotate(door: IdentityClient, ask: Ask<"rotate">) {
    return this.#recorder.call("rotate", this.#process, ask, async () => {
      const { key: sessionKey, request: requestId, expected } = ask;
      const precondition =
        expected === 0
          ? { case: undefined }
          : ({ case: "expectedGeneration", value: BigInt(expected) } as const);
      const request = { requestId, sessionKey, reason: RotationReason.RESET, precondition };
      const { rotation, endedRun } = await door.rotateSession(request, options(ask));
      return {
        previous: Number(rotation?.previous?.generation ?? 0n),
        generation: Number(rotation?.current?.generation ?? 0n),
        sessionId: rotation?.current?.sessionId ?? "",
        endedRun: endedRun?.runId ?? "",
      };
    });
  }

  begin(door: IdentityClient, ask: Ask<"begin">) {
    return this.#recorder.call("begin", this.#process, ask, async () => {
      const request = {
        ...{ sessionKey: ask.key, turnId: ask.turn, runId: ask.run },
        admittedGeneration: BigInt(ask.admitted),
        leaseDuration: durationFromMs(ask.leaseMs),
        ...{ acceptTime: timestampNow(), turnClass: TurnClass.PERSON },
      };
      const { fence, takenOver } = await door.beginRun(request, options(ask));
      return {
        generation: Number(fence?.session?.generation ?? 0n),
        sessionId: fence?.session?.sessionId ?? "",
        epoch: Number(fence?.runEpoch ?? 0n),
        takenOver: takenOver?.runId ?? "",
      };
    });
  }

  write(door: IdentityClient, ask: Ask<"write">) {
    return this.#recorder.call("write", this.#process, ask, async () => {
      const { key: sessionKey, sessionId, generation, run: runId, epoch } = ask;
      const session = { sessionKey, sessionId, generation: BigInt(generation) };
      const fence = { session, runId, runEpoch: BigInt(epoch) };
      const writer = { case: "run", value: fence } as const;
      const request = { writer, eventSeq: BigInt(ask.seq), event: eventOf(ask) };
      return { applied: (await door.writeLifecycle(request, options(ask))).applied };
    });
  }

  peek(door: IdentityClient, ask: Ask<"peek">) {
    return this.#recorder.call("peek", this.#process, ask, async () => {
      const session = { case: "sessionId", value: ask.sessionId } as const;
      const answer = await door.getSession({ session }, options(ask));
      return { key: answer.session?.ref?.sessionKey ?? "" };
    });
  }
}

function options({ tenant }: { readonly tenant: string }) {
  return { tenant, principal: "chaos", retry: false, timeoutMs: CALL_MS } as const;
}

function eventOf({ event, says }: Ask<"write">) {
  if (event === "started") return { case: "started", value: { model: says } } as const;
  if (event === "progress") return { case: "progress", value: { phase: says } } as const;
  return says === "completed"
    ? ({ case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const)
    : ({ case: "ended", value: { outcome: RunOutcome.FAILED, errorReason: says } } as const);
}
