import type { ServerResponse } from "node:http";
import { Code, RpcError } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";

/** What an event stream needs. */
export interface SseOptions {
  readonly clock: Clock;
  /** A comment goes out after this silence. */
  readonly pingIntervalMs: number;
  /** How long what was written may stay unread. */
  readonly slowReaderMs: number;
  /** Each event has a line with its name, which is its `type`. */
  readonly isNamed?: boolean;
}

/** An event with a name, and a place to go on from where `id` is not empty. */
export interface NamedEvent {
  readonly name: string;
  readonly id: string;
  readonly data: unknown;
}

/**
 * A stream of server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
 * Chat streams have only `data:`, `event:` and comments: a client of OpenAI's kind mistakes what `id:`
 * and `retry:` leave behind. Events with a place to go on from are for those who subscribe.
 */
export class EventStream {
  readonly #res: ServerResponse;
  readonly #options: SseOptions;
  #ping: { cancel(): void };
  #isBlocked = false;

  constructor(res: ServerResponse, options: SseOptions) {
    this.#res = res;
    this.#options = options;
    res.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      // nginx keeps a stream back until its buffer is full unless told so.
      "x-accel-buffering": "no",
    });
    // Something at once: many clients count silence from here, not from the headers.
    res.write(PING);
    this.#ping = this.#schedule();
  }

  /** Resolves when more may be written. @throws CANCELLED if the reader left or reads too slowly. */
  async data(...events: readonly (object | string)[]): Promise<void> {
    if (events.length === 0) return;
    await this.#write(events.map((event) => this.#block(event)).join(""));
  }

  #block(event: object | string): string {
    const name: unknown = this.#options.isNamed === true ? Reflect.get(Object(event), "type") : "";
    const line = typeof name === "string" && name !== "" ? `event: ${name}\n` : "";
    return `${line}data: ${text(event)}\n\n`;
  }

  /** The same, of one named event. */
  async emit({ name, id, data }: NamedEvent): Promise<void> {
    const place = id === "" ? "" : `id: ${id}\n`;
    await this.#write(`event: ${name}\n${place}data: ${JSON.stringify(data)}\n\n`);
  }

  end(): void {
    this.#ping.cancel();
    this.#res.end();
  }

  /** Stops the pings; the response itself is left alone. */
  close(): void {
    this.#ping.cancel();
  }

  async #write(block: string): Promise<void> {
    if (this.#res.destroyed) throw left();
    this.#ping.cancel();
    if (!this.#res.write(block)) await this.#drained();
    this.#ping = this.#schedule();
  }

  #schedule(): { cancel(): void } {
    const { clock, pingIntervalMs } = this.#options;
    return clock.setTimer(pingIntervalMs, () => {
      if (!this.#isBlocked && !this.#res.destroyed) this.#res.write(PING);
      this.#ping = this.#schedule();
    });
  }

  #drained(): Promise<void> {
    const { clock, slowReaderMs } = this.#options;
    const res = this.#res;
    this.#isBlocked = true;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(slowReaderMs, () => res.destroy());
      const done = (): void => {
        timer.cancel();
        res.off("drain", done).off("close", done);
        this.#isBlocked = false;
        if (res.destroyed) reject(left());
        else resolve();
      };
      res.on("drain", done).on("close", done);
    });
  }
}

const PING = ": ping\n\n";

/** JSON text has no line breaks of its own, so one `data:` line holds it. */
function text(event: object | string): string {
  return typeof event === "string" ? event : JSON.stringify(event);
}

function left(): RpcError {
  return new RpcError(Code.CANCELLED, "the client left");
}
