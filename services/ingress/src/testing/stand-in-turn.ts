import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import {
  type AttachTurnResponse,
  AttachTurnResponseSchema,
  type GetTurnResponseSchema,
  type SubmitTurnRequest,
  type TurnEnded,
  TurnEndedSchema,
  TurnQueuedSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import {
  type Disposition,
  TurnSchema,
  TurnState,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { v7 } from "./uuid.ts";

type EventInit = NonNullable<MessageInitShape<typeof AttachTurnResponseSchema>["event"]>;

/** One turn of the stand-in runner: the test says what happens to it. */
export class StandInTurn {
  readonly turnId = v7();
  readonly runId = v7();
  readonly submit: SubmitTurnRequest;
  readonly disposition: Disposition;
  readonly principal: string;
  readonly events: AttachTurnResponse[] = [];
  readonly acceptTime = new Date();
  position = 0;
  intoTurnId = "";
  #changed: () => void = () => undefined;
  #change = this.#nextChange();

  constructor(submit: SubmitTurnRequest, disposition: Disposition, principal: string) {
    this.submit = submit;
    this.principal = principal;
    this.disposition = disposition;
  }

  get session(): SessionRef | undefined {
    return this.submit.target.case === "session" ? this.submit.target.value : undefined;
  }

  /** As GetTurn tells it: with all messages of its request, as if none had been said before. */
  stored(): MessageInitShape<typeof GetTurnResponseSchema> {
    const { turnId, session, disposition, principal, intoTurnId } = this;
    const { messages, parameters, origin } = this.submit;
    const ended = this.events.at(-1)?.event;
    const began = this.events.some(({ event }) => event.case === "runBegun");
    const turn = create(TurnSchema, {
      turnId,
      principal,
      disposition,
      intoTurnId,
      acceptTime: timestampFromDate(this.acceptTime),
      sessionKey: session?.sessionKey ?? "",
      state: began ? TurnState.ACTIVE : TurnState.QUEUED,
      runs: began ? [{ runId: this.runId }] : [],
      ...(origin === undefined ? {} : { origin }),
      ...(session === undefined ? {} : { session }),
    });
    if (ended?.case === "ended") Object.assign(turn, endOf(ended.value));
    return { turn, request: parameters === undefined ? { messages } : { messages, parameters } };
  }

  get hasEnded(): boolean {
    return this.events.at(-1)?.event.case === "ended";
  }

  get isActive(): boolean {
    return !this.hasEnded && this.events.some(({ event }) => event.case === "runBegun");
  }

  /** Resolves when the next event is there. */
  get change(): Promise<void> {
    return this.#change;
  }

  wait(init: MessageInitShape<typeof TurnQueuedSchema> = {}): this {
    return this.#push({ case: "queued", value: create(TurnQueuedSchema, init) });
  }

  begin(init: { runId?: string; discardPrevious?: boolean } = {}): this {
    const { session } = this;
    const value = { runId: this.runId, model: "stand-in", ...init };
    return this.#push({ case: "runBegun", value: session ? { ...value, session } : value });
  }

  say(text: string): this {
    return this.#push({ case: "textDelta", value: text });
  }

  callTool(callId: string, name: string, argumentsJson: string): this {
    return this.#push({ case: "toolCall", value: { callId, name, argumentsJson } });
  }

  /** Ends well, with all that was said as the reply. */
  complete(init: { readonly finishReason?: string } = {}): this {
    return this.end({
      state: TurnState.COMPLETED,
      runId: this.runId,
      reply: { role: Role.ASSISTANT, parts: this.#parts() },
      usage: { inputTokens: 3n, outputTokens: 2n },
      model: "stand-in",
      ...init,
    });
  }

  end(init: MessageInitShape<typeof TurnEndedSchema>): this {
    const ended = create(TurnEndedSchema, init);
    if (this.session !== undefined) ended.session = this.session;
    return this.#push({ case: "ended", value: ended });
  }

  #parts() {
    const text = this.events
      .map(({ event }) => (event.case === "textDelta" ? event.value : ""))
      .join("");
    const calls = this.events.flatMap(({ event }) =>
      event.case === "toolCall"
        ? [{ content: { case: "toolCall" as const, value: event.value } }]
        : [],
    );
    const said = text === "" ? [] : [{ content: { case: "text" as const, value: text } }];
    return [...said, ...calls];
  }

  #push(event: EventInit): this {
    const streamSeq = BigInt(this.events.length + 1);
    this.events.push(create(AttachTurnResponseSchema, { streamSeq, event }));
    const wake = this.#changed;
    this.#change = this.#nextChange();
    wake();
    return this;
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}

function endOf({ state, errorReason, errorMessage, reply, usage, finishReason, model }: TurnEnded) {
  const endTime = timestampFromDate(new Date());
  return { state, errorReason, errorMessage, reply, usage, finishReason, model, endTime };
}
