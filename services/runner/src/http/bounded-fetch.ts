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
    const body = response.body.pipeThrough(bounded(maxBytes, isEvents));
    const { status, statusText, headers } = response;
    return new Response(body, { status, statusText, headers });
  };
}

function bounded(
  maxBytes: number,
  isEvents: boolean,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  const message = isEvents ? new EventSize() : new WholeSize();
  return new TransformStream({
    transform(chunk, controller) {
      if (message.add(chunk) <= maxBytes) controller.enqueue(chunk);
      else controller.error(new Error(`a message in the answer has more than ${maxBytes} bytes`));
    },
  });
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
