import { createHash } from "node:crypto";
import type { RunnerClient } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type {
  SubmitTurnResponse,
  TurnEnded,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { Calls, ToldTurn } from "../history/calls.ts";
import { enumName } from "../history/enum-name.ts";
import { boundedSignal } from "./bounded-signal.ts";
import { CALL_MS } from "./scene.ts";

type Ask = Calls["turn"]["ask"];

export interface GrpcTurn {
  readonly door: RunnerClient;
  readonly session: Pick<SessionRef, "sessionKey" | "sessionId" | "generation">;
  readonly routeId: string;
  readonly timeoutMs: number;
}

/** One turn as an adapter submits it: attached to its end, or accepted and left. */
export async function submit(how: GrpcTurn, ask: Ask): Promise<ToldTurn> {
  const options = { tenant: ask.tenant, principal: "chaos", retry: false } as const;
  const request = requestOf(how, ask);
  if (!ask.attached) {
    const accepted = await how.door.submitTurn(request, { ...options, timeoutMs: CALL_MS });
    return { ...accept(accepted), state: "", reply: "" };
  }
  const target = { case: "submit", value: request } as const;
  using bounded = boundedSignal(how.timeoutMs);
  const { signal } = bounded;
  let accepted: SubmitTurnResponse | undefined;
  for await (const { event } of how.door.attachTurn({ target }, { ...options, signal })) {
    if (event.case === "accepted") accepted = event.value;
    if (event.case === "ended" && accepted !== undefined) return end(accepted, event.value);
  }
  throw new Error("the stream ended before the turn did");
}

function requestOf({ session, routeId }: GrpcTurn, { idempotency, name, text, onConflict }: Ask) {
  const fingerprint = createHash("sha256").update(`${name}\n${text}`).digest();
  return {
    ...{ idempotencyKey: idempotency, fingerprint, routeId, turnClass: TurnClass.PERSON },
    target: { case: "session", value: session } as const,
    ...(onConflict === undefined ? {} : { onConflict: OnConflict[onConflict] }),
    messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: text } as const }] }],
    origin: { source: "chaos", rawKey: name },
  };
}

function accept({ turnId, session }: SubmitTurnResponse) {
  const { sessionKey: key = "", sessionId = "", generation = 0n } = session ?? {};
  return { turnId, key, sessionId, generation: Number(generation) };
}

function end(accepted: SubmitTurnResponse, ended: TurnEnded): ToldTurn {
  const session = ended.session ?? accepted.session;
  const told = accept({ ...accepted, ...(session === undefined ? {} : { session }) });
  const reply = (ended.reply?.parts ?? [])
    .map(({ content }) => (content.case === "text" ? content.value : ""))
    .join("");
  return { ...told, state: enumName(TurnState, ended.state), reply };
}
