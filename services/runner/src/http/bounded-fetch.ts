export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** Which answers are streams of events. */
export type IsEvents = (response: Response) => boolean;

const saysSo: IsEvents = ({ headers }) =>
  headers.get("content-type")?.startsWith("text/event-stream") === true;

/**
 * A `fetch` whose answers break off where one message in them has more bytes than it may: the whole
 * answer, or one event of an event stream, which as a whole may go on for ever.
 */
export function boundedFetch(
  maxBytes: number,
  fetchOf: Fetch = fetch,
  isEventStream: IsEvents = saysSo,
): Fetch {
  return async (url, init) => {
    const response = await fetchOf(url, init);
    if (response.body === null) return response;
    const isEvents = isEventStream(response);
    const body = bounded(response.body, maxBytes, isEvents);
    const { status, statusText, headers } = response;
    return new Response(body, { status, statusText, headers });
  };
}

/** Not by a TransformStream: its two queues cost several times what a chunk of a model's words costs otherwise. */
function bounded(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  maxBytes: number,
  isEvents: boolean,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const message = isEvents ? new EventSize() : new WholeSize();
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        if (message.add(value) <= maxBytes) return controller.enqueue(value);
        const error = new Error(`a message in the answer has more than ${maxBytes} bytes`);
        controller.error(error);
        await reader.cancel(error);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

class WholeSize {
  #bytes = 0;

  add({ length }: Uint8Array): number {
    this.#bytes += length;
    return this.#bytes;
  }
}

const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d];

/** Events end with an empty line. */
class EventSize {
  #bytes = 0;
  #lineIsEmpty = true;

  /** The size of the largest event that the chunk belongs to, as far as it has come. */
  add(chunk: Uint8Array): number {
    let largest = 0;
    for (const byte of chunk) {
      this.#bytes += 1;
      if (byte === CARRIAGE_RETURN) continue;
      largest = Math.max(largest, this.#bytes);
      if (byte === LINE_FEED && this.#lineIsEmpty) this.#bytes = 0;
      this.#lineIsEmpty = byte === LINE_FEED;
    }
    return largest;
  }
}
