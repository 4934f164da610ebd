import { createHash, randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { AgentConfigSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import {
  type Message,
  MessageSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type {
  AttachTurnResponse,
  SubmitTurnRequestSchema,
  TurnEnded,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { CallOptions } from "@lanekeeper/rpc";
import type { Replica, World } from "./world.ts";

export const TENANT = "t1";
export const KEY = "agent:main:test";

export type Submit = MessageInitShape<typeof SubmitTurnRequestSchema>;

export function user(text: string): Message {
  return said(Role.USER, text);
}

export function said(role: Role, text: string): Message {
  return create(MessageSchema, { role, parts: [{ content: { case: "text", value: text } }] });
}

/** A turn for a key, with its session resolved. */
export function turnFor(
  world: World,
  text: string,
  overrides: Submit & { key?: string } = {},
): Submit {
  const { key = KEY, ...rest } = overrides;
  const idempotencyKey = rest.idempotencyKey ?? randomUUID();
  return {
    idempotencyKey,
    fingerprint: createHash("sha256").update(`${key} ${text}`).digest(),
    target: { case: "session", value: world.identity.ref(TENANT, key) },
    turnClass: TurnClass.PERSON,
    messages: [user(text)],
    ...rest,
  };
}

/** One agent, `main`, as every test needs it. */
export async function applyMain(
  replica: Replica,
  config: Omit<MessageInitShape<typeof AgentConfigSchema>, "agentId" | "$typeName"> = {},
): Promise<void> {
  const model = { provider: { case: "scripted" as const, value: {} } };
  await replica.client.applyAgents({ agents: [{ model, ...config, agentId: "main" }] });
}

interface AttachOptions {
  readonly afterStreamSeq?: bigint;
  readonly cancelOnDisconnect?: boolean;
  readonly wholeAnswer?: boolean;
}

/** One attachment that is being read. */
export class Attached {
  readonly events: AttachTurnResponse[] = [];
  readonly ended: Promise<TurnEnded>;
  readonly #controller = new AbortController();

  constructor(
    replica: Replica,
    target: { submit: Submit } | { turnId: string },
    options: CallOptions & AttachOptions = {},
  ) {
    const {
      afterStreamSeq = 0n,
      cancelOnDisconnect = false,
      wholeAnswer = false,
      ...call
    } = options;
    const wanted =
      "submit" in target
        ? { case: "submit" as const, value: target.submit }
        : { case: "turnId" as const, value: target.turnId };
    const { signal } = this.#controller;
    const request = { target: wanted, afterStreamSeq, cancelOnDisconnect, wholeAnswer };
    this.ended = this.#read(replica.client.attachTurn(request, { ...call, signal }));
    this.ended.catch(() => undefined);
  }

  leave(): void {
    this.#controller.abort();
  }

  get turnId(): string {
    const accepted = this.events.find(({ event }) => event.case === "accepted");
    return accepted?.event.case === "accepted" ? accepted.event.value.turnId : "";
  }

  get text(): string {
    return this.events.map(({ event }) => (event.case === "textDelta" ? event.value : "")).join("");
  }

  get kinds(): string[] {
    return this.events.map(({ event }) => event.case ?? "");
  }

  async #read(stream: AsyncIterable<AttachTurnResponse>): Promise<TurnEnded> {
    for await (const event of stream) {
      this.events.push(event);
      if (event.event.case === "ended") return event.event.value;
    }
    throw new Error("the stream ended without `ended`");
  }
}
