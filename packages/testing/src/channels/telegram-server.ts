import { type ApiCall, type ApiServer, startApiServer } from "./api-server.ts";

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

/** Telegram's Bot API, as far as messages go out. */
export interface TelegramServer extends ApiServer {
  /** In order. */
  readonly messages: readonly TelegramMessage[];
  /** Chats that were shown something by sendChatAction. */
  readonly typing: readonly string[];
}

/** Takes one bot, that of the given token; any other is 401. */
export async function startTelegramServer(token: string): Promise<TelegramServer> {
  const messages: TelegramMessage[] = [];
  const typing: string[] = [];
  const prefix = `/bot${token}/`;
  const server = await startApiServer(
    (path) => (path.startsWith(prefix) ? path.slice(prefix.length) : "unauthorized"),
    async (call) => {
      if (call.method === "unauthorized") {
        return { ok: false, error_code: 401, description: "Unauthorized" };
      }
      const fields = await fieldsOf(call);
      const chat_id = textOf(fields, "chat_id");
      if (call.method === "sendChatAction") {
        typing.push(chat_id);
        return { ok: true, result: true };
      }
      messages.push(await messageOf(fields, chat_id));
      return { ok: true, result: { message_id: messages.length } };
    },
  );
  return { ...server, messages, typing };
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
