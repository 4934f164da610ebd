import { type ApiCall, type ApiServer, startApiServer } from "./api-server.ts";
import { TelegramUpdates } from "./telegram-updates.ts";

const NO_FILE = { ok: false, error_code: 400, description: "Bad Request: invalid file_id" };

/** A message as it stands in a chat. */
export interface TelegramMessage {
  readonly chat_id: string;
  readonly message_thread_id: string | undefined;
  readonly text: string;
  /** With it: which method brought it. */
  readonly file?: {
    readonly kind: "photo" | "document";
    readonly name: string;
    readonly type: string;
    readonly bytes: Buffer;
  };
  /** By the server's clock, in milliseconds. */
  readonly atMs: number;
}

/** Telegram's Bot API, as far as messages, files and updates go. */
export interface TelegramServer extends ApiServer {
  /** In order. */
  readonly messages: readonly TelegramMessage[];
  /** Chats that were shown something by sendChatAction. */
  readonly typing: readonly string[];
  /** By their ids: what getFile leads to. */
  readonly files: Map<string, Buffer>;
  /** What comes in, for getUpdates or the webhook that setWebhook was given. */
  readonly updates: TelegramUpdates;
}

/** Takes one bot, that of the given token; any other is 401. */
export async function startTelegramServer(token: string): Promise<TelegramServer> {
  const messages: TelegramMessage[] = [];
  const typing: string[] = [];
  const files = new Map<string, Buffer>();
  const updates = new TelegramUpdates();
  const prefix = `/bot${token}/`;
  const filePrefix = `/file${prefix}`;
  const methodOf = (path: string): string => {
    if (path.startsWith(filePrefix)) return `file/${path.slice(filePrefix.length)}`;
    return path.startsWith(prefix) ? path.slice(prefix.length) : "unauthorized";
  };
  const server = await startApiServer(methodOf, async (call) => {
    if (call.method === "unauthorized") {
      return { ok: false, error_code: 401, description: "Unauthorized" };
    }
    if (call.method.startsWith("file/")) return files.get(call.method.slice(5)) ?? NO_FILE;
    const fields = await fieldsOf(call);
    const inbound = updates.answer(call.method, fields);
    if (inbound !== undefined) return inbound;
    if (call.method === "getFile") {
      const path = textOf(fields, "file_id");
      return files.has(path) ? { ok: true, result: { file_id: path, file_path: path } } : NO_FILE;
    }
    const chat_id = textOf(fields, "chat_id");
    if (call.method === "sendChatAction") {
      typing.push(chat_id);
      return { ok: true, result: true };
    }
    messages.push(await messageOf(fields, chat_id));
    return { ok: true, result: { message_id: messages.length } };
  });
  const dispose = async () => {
    updates.close();
    await server[Symbol.asyncDispose]();
  };
  return { ...server, messages, typing, files, updates, [Symbol.asyncDispose]: dispose };
}

async function fieldsOf({ headers, body }: ApiCall): Promise<FormData> {
  const type = headers["content-type"] ?? "";
  if (type.startsWith("multipart/form-data")) {
    const bytes = new Uint8Array(body);
    return new Response(bytes, { headers: { "content-type": type } }).formData();
  }
  const form = new FormData();
  const said = JSON.parse(body.toString("utf8")) as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(said)) form.append(name, String(value));
  return form;
}

async function messageOf(fields: FormData, chat_id: string): Promise<TelegramMessage> {
  const kind = fields.has("photo") ? "photo" : "document";
  const file = fields.get(kind);
  return {
    chat_id,
    message_thread_id: textOf(fields, "message_thread_id") || undefined,
    text: textOf(fields, "text"),
    ...(file instanceof File
      ? {
          file: {
            kind,
            name: file.name,
            type: file.type,
            bytes: Buffer.from(await file.arrayBuffer()),
          },
        }
      : {}),
    atMs: performance.now(),
  };
}

/** Empty where the field is missing or a file. */
function textOf(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}
