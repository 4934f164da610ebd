import {
  clone,
  type DescMessage,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as delivery from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import * as identity from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import * as runner from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { setTimeout as sleep } from "node:timers/promises";
import type { Mishap } from "./call-proxy.ts";

/** What the frames of all services have in common. */
type Frame = MessageShape<DescMessage> & {
  callId: bigint;
  readsMore: boolean;
  readonly more: Frame[];
  readonly call?: { readonly case: string | undefined };
};

interface FrameSchemas {
  readonly request: DescMessage;
  readonly response: DescMessage;
}

/** By the path of the stream. */
const FRAMES: Readonly<Record<string, FrameSchemas>> = {
  [`/${identity.SessionIdentityService.typeName}/Exchange`]: {
    request: identity.ExchangeRequestSchema,
    response: identity.ExchangeResponseSchema,
  },
  [`/${runner.RunnerService.typeName}/Exchange`]: {
    request: runner.ExchangeRequestSchema,
    response: runner.ExchangeResponseSchema,
  },
  [`/${delivery.DeliveryService.typeName}/Exchange`]: {
    request: delivery.ExchangeRequestSchema,
    response: delivery.ExchangeResponseSchema,
  },
};

/** Undefined: the call is no stream of frames. */
export function framesOf(path: string | undefined): FrameSchemas | undefined {
  return FRAMES[path ?? ""];
}

/** Above any number that a client counts up to. */
const TWICE = 2n ** 40n;

export interface MishapHost {
  /** Whether the next frame has it. */
  isHit(): boolean;
  lateMs(): number;
  track(work: Promise<unknown>): void;
  send(bytes: Buffer): void;
}

/** The calls of one Exchange stream, some of which are lost, doubled or late. */
export class FrameMishaps {
  readonly #mishap: Mishap;
  readonly #host: MishapHost;
  readonly #schemas: FrameSchemas;
  readonly #requests: Messages;
  readonly #responses: Messages;
  /** Calls whose answers do not pass. */
  readonly #swallowed = new Set<bigint>();
  #doubled = 0n;
  /** What each side has said once, and the other must hear, on whichever frame. */
  #saysMore = { request: false, response: false };

  constructor(schemas: FrameSchemas, mishap: Mishap, host: MishapHost) {
    this.#schemas = schemas;
    this.#requests = new Messages(schemas.request);
    this.#responses = new Messages(schemas.response);
    this.#mishap = mishap;
    this.#host = host;
  }

  request(bytes: Buffer): void {
    for (const frame of this.#requests.read(bytes)) {
      if (frame.readsMore) this.#saysMore.request = true;
      if (frame.call?.case === "cancel" || !this.#host.isHit()) this.#send(frame);
      else this.#mishandle(frame);
    }
  }

  /** What of it passes. */
  response(bytes: Buffer): Buffer {
    const passed = this.#responses.read(bytes).flatMap((frame) => {
      if (frame.readsMore) this.#saysMore.response = true;
      if (this.#swallowed.delete(frame.callId)) return [];
      frame.readsMore = this.#saysMore.response;
      this.#saysMore.response = false;
      return [messageOf(this.#schemas.response, frame)];
    });
    return Buffer.concat(passed);
  }

  #send(frame: Frame): void {
    frame.readsMore = this.#saysMore.request;
    this.#saysMore.request = false;
    this.#host.send(messageOf(this.#schemas.request, frame));
  }

  #mishandle(frame: Frame): void {
    switch (this.#mishap) {
      case "the request is lost":
        return;
      case "the reply is lost, the call took effect":
        this.#swallowed.add(frame.callId);
        return this.#send(frame);
      case "the request comes twice": {
        const twin: Frame = clone<DescMessage>(this.#schemas.request, frame) as Frame;
        twin.callId = TWICE + (this.#doubled += 1n);
        this.#swallowed.add(twin.callId);
        this.#send(frame);
        return this.#send(twin);
      }
      case "the request comes late":
        return this.#host.track(sleep(this.#host.lateMs()).then(() => this.#send(frame)));
    }
  }
}

/** The bytes before a message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

/** Reads the frames of one direction out of what passes, however it is cut. */
class Messages {
  readonly #schema: DescMessage;
  #rest = Buffer.alloc(0);

  constructor(schema: DescMessage) {
    this.#schema = schema;
  }

  /** One by one, also those that came together. */
  read(bytes: Buffer): Frame[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const frames: Frame[] = [];
    for (;;) {
      if (this.#rest.length < PREFIX_BYTES) return frames;
      const end = PREFIX_BYTES + this.#rest.readUInt32BE(1);
      if (this.#rest.length < end) return frames;
      const message = this.#rest.subarray(PREFIX_BYTES, end);
      const first = fromBinary<DescMessage>(this.#schema, message) as Frame;
      frames.push(first, ...first.more.splice(0));
      this.#rest = this.#rest.subarray(end);
    }
  }
}

function messageOf(schema: DescMessage, message: Frame): Buffer {
  const body = toBinary(schema, message);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}
