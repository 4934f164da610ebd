import { type ApiCall, type ApiServer, startApiServer } from "./api-server.ts";

/** A message as it stands in a channel. */
export interface SlackMessage {
  readonly channel: string;
  readonly ts: string;
  readonly thread_ts?: string;
  readonly text: string;
  readonly metadata?: unknown;
  /** Shared by this message. */
  readonly file?: { readonly id: string; readonly title: string; readonly bytes: Buffer };
}

/** Slack's Web API, as far as messages go out. */
export interface SlackServer extends ApiServer {
  /** Where its methods are, with a slash at the end. */
  readonly apiUrl: string;
  /** In order. */
  readonly messages: readonly SlackMessage[];
  /** Channels that have got another id: by the one that they had they are not found. */
  readonly renamed: Map<string, string>;
  /** What assistant.threads.setStatus was told. */
  readonly statuses: readonly string[];
}

/** Takes one token, the given one; any other is `invalid_auth`. */
export async function startSlackServer(token: string): Promise<SlackServer> {
  const messages: SlackMessage[] = [];
  const statuses: string[] = [];
  const renamed = new Map<string, string>();
  const uploads = new Map<string, Buffer>();
  const server = await startApiServer(
    (path) => path.replace(/^\/api\//, "").replace(/^\/upload\/.*/, "upload"),
    (call, origin) => {
      if (call.method === "upload") return upload(call);
      if (call.headers.authorization !== `Bearer ${token}`) return no("invalid_auth");
      const fields = fieldsOf(call);
      if (renamed.has(String(fields["channel"] ?? fields["channel_id"])))
        return no("channel_not_found");
      return methods[call.method]?.(fields, origin) ?? no("unknown_method");
    },
  );

  /** The bytes go to the file that was asked for last: its number is all that the path says. */
  function upload(call: ApiCall): object {
    const [id] = [...uploads.keys()].slice(-1);
    if (id !== undefined) uploads.set(id, call.body);
    return { ok: true };
  }

  type Fields = Readonly<Record<string, unknown>>;
  /** chat.postMessage alone takes a user, and says it in the direct message with them. */
  const isUser = (channel: unknown) => /^[UW]/.test(String(channel));
  /** What was said before stands under the new id. */
  const idNow = (channel: string): string => {
    const next = renamed.get(channel);
    return next === undefined ? channel : idNow(next);
  };
  const directWith = (user: unknown) => `D${String(user).slice(1)}`;
  const methods: Readonly<Record<string, (fields: Fields, origin: string) => object>> = {
    "chat.postMessage": ({ channel, text, thread_ts, metadata }) =>
      say({
        ...({ text, thread_ts, metadata } as Omit<SlackMessage, "ts" | "channel">),
        channel: isUser(channel) ? directWith(channel) : String(channel),
      }),
    "conversations.open": ({ users }) => ({ ok: true, channel: { id: directWith(users) } }),
    "conversations.history": ({ channel }) =>
      isUser(channel)
        ? no("channel_not_found")
        : listed((message) => idNow(message.channel) === channel),
    "conversations.replies": ({ channel, ts }) =>
      isUser(channel)
        ? no("channel_not_found")
        : listed((message) => idNow(message.channel) === channel && message.thread_ts === ts),
    "files.getUploadURLExternal": (_, origin) => {
      const file_id = `F${uploads.size + 1}`;
      uploads.set(file_id, Buffer.alloc(0));
      return { ok: true, upload_url: `${origin}/upload/${file_id}`, file_id };
    },
    "files.completeUploadExternal": ({ files, channel_id, thread_ts }) => {
      const [{ id, title }] = files as [{ readonly id: string; readonly title: string }];
      const bytes = uploads.get(id);
      if (bytes === undefined) return no("file_not_found");
      if (isUser(channel_id)) return no("invalid_channel");
      say({
        channel: channel_id as string,
        text: "",
        ...(thread_ts === undefined ? {} : { thread_ts: thread_ts as string }),
        file: { id, title, bytes },
      });
      return { ok: true, files: [{ id, title }] };
    },
    "files.info": ({ file }) => {
      const shared = messages.filter((message) => message.file?.id === file);
      return { ok: true, file: { id: file, channels: shared.map(({ channel }) => channel) } };
    },
    "assistant.threads.setStatus": ({ status }) => {
      statuses.push(status as string);
      return { ok: true };
    },
  };

  function say(message: Omit<SlackMessage, "ts">): object {
    const ts = `${Math.floor(Date.now() / 1_000)}.${String(messages.length).padStart(6, "0")}`;
    messages.push({ ...message, ts });
    return { ok: true, channel: message.channel, ts };
  }

  function listed(isIn: (message: SlackMessage) => boolean): object {
    return { ok: true, messages: messages.filter((message) => isIn(message)).reverse() };
  }

  return { ...server, apiUrl: `${server.origin}/api/`, messages, statuses, renamed };
}

function no(error: string): object {
  return { ok: false, error };
}

/** JSON or a form, as the call says. */
function fieldsOf({ headers, body }: ApiCall): Readonly<Record<string, unknown>> {
  const text = body.toString("utf8");
  const isJson = headers["content-type"]?.startsWith("application/json");
  return isJson ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text));
}
