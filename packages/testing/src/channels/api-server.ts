import type { IncomingMessage, ServerResponse } from "node:http";
import { eventually } from "../eventually.ts";
import type { Gate } from "../gate.ts";
import { startStandIn } from "../http-stand-in.ts";

/** One call of a platform's API, as it came. */
export interface ApiCall {
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** What happens to a call instead of the usual. */
export interface ApiBehaviour {
  /** Answered so; the call has no effect. */
  readonly answer?: object;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection is cut: before the call has its effect, or after that, in the midst of an answer or without one. */
  readonly cut?: "before" | "during" | "after";
  /** Answered with this text, as something does that stands before the platform; has no effect unless it `isDone`. */
  readonly page?: string;
  readonly isDone?: boolean;
  /** The call is recorded at once; its effect and its answer wait for this. */
  readonly gate?: Gate;
}

export interface ApiServer extends AsyncDisposable {
  readonly origin: string;
  /** In order of arrival. */
  readonly calls: readonly ApiCall[];
  of(method: string): readonly ApiCall[];
  /** For the next call of a method that nothing was said about; repeats line up. */
  next(method: string, behaviour: ApiBehaviour): void;
  always(method: string, behaviour: ApiBehaviour | undefined): void;
  /** The call of a method with this index (from 0), once it has come. */
  call(method: string, index: number): Promise<ApiCall>;
}

/**
 * A platform's API at a free port of loopback.
 * @param methodOf the method's name from a request's path
 * @param effect does what a call does and tells what it is answered
 */
export async function startApiServer(
  methodOf: (path: string) => string,
  effect: (call: ApiCall, origin: string) => Promise<object> | object | Promise<Buffer>,
): Promise<ApiServer> {
  const calls: ApiCall[] = [];
  const queues = new Map<string, ApiBehaviour[]>();
  const usual = new Map<string, ApiBehaviour>();
  const standIn = await startStandIn(async (request, response) => {
    const { headers, url = "/" } = request;
    const call = { method: methodOf(url), headers, body: await bytesOf(request) };
    calls.push(call);
    const behaviour = queues.get(call.method)?.shift() ?? usual.get(call.method) ?? {};
    await behave(behaviour, () => effect(call, standIn.origin), response);
  });
  const of = (method: string) => calls.filter((call) => call.method === method);
  return {
    origin: standIn.origin,
    calls,
    of,
    next: (method, behaviour) =>
      void queues.set(method, [...(queues.get(method) ?? []), behaviour]),
    always: (method, behaviour) =>
      void (behaviour === undefined ? usual.delete(method) : usual.set(method, behaviour)),
    call: (method, index) =>
      eventually(() => of(method)[index], { what: `call ${index} of ${method}` }),
    [Symbol.asyncDispose]: () => standIn[Symbol.asyncDispose](),
  };
}

async function behave(
  { answer, status = 200, headers = {}, cut, gate, page, isDone = false }: ApiBehaviour,
  effect: () => Promise<object> | object,
  response: ServerResponse,
): Promise<void> {
  await gate?.opened;
  if (cut === "before") return void response.destroy();
  if (page !== undefined) {
    if (isDone) await effect();
    response.writeHead(status, { "content-type": "text/html", ...headers });
    response.end(page);
    return;
  }
  const said = answer ?? (status === 200 ? await effect() : {});
  if (cut === "after") return void response.destroy();
  if (cut === "during") {
    response.writeHead(status, { "content-type": "application/json", "content-length": "1000" });
    return void response.write('{"ok":tr', () => response.destroy());
  }
  const isFile = Buffer.isBuffer(said);
  const type = isFile ? "application/octet-stream" : "application/json";
  response.writeHead(status, { "content-type": type, ...headers });
  response.end(isFile ? said : JSON.stringify(said));
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
