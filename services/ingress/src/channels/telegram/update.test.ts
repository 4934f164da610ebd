import type { CommandEvent, InboundEvent, MessageEvent } from "@lanekeeper/adapter-kit";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { expect, test } from "vitest";
import type { JsonObject } from "../../http/json-body.ts";
import {
  ADA,
  DATE,
  DOCUMENT,
  FORUM,
  GROUP,
  message,
  PHOTO,
  PRIVATE,
  SUPERGROUP,
  update,
} from "../../testing/telegram.ts";
import { eventOf } from "./update.ts";

const { DIRECT, GROUP: GROUP_KIND, CHANNEL } = PeerKind;

const FILES: Readonly<Record<string, string>> = {
  "docs/report.pdf": "%PDF-",
  "photos/large.jpg": "JPEG",
};

async function read(what: object, accountId = "helpdesk_bot"): Promise<InboundEvent> {
  return eventOf(what as JsonObject, accountId, async (fileId) => {
    const text = FILES[fileId];
    return text === undefined ? undefined : Buffer.from(text);
  });
}

async function said(what: object): Promise<MessageEvent> {
  const event = await read(what);
  if (event.kind !== "message") throw new Error(`${event.kind}, no message`);
  return event;
}

async function commanded(what: object): Promise<CommandEvent> {
  const event = await read(what);
  if (event.kind !== "command") throw new Error(`${event.kind}, no command`);
  return event;
}

const peerIn = async (what: object) => (await said(what)).name.value;

test("a direct message", async () => {
  expect(await said(update(1000, message(PRIVATE, { text: "Hello" })))).toMatchObject({
    ...{ senderId: "77", messageId: "77/9" },
    name: { value: { channel: "telegram", kind: DIRECT, peerId: "77", threadId: "" } },
    place: { accountId: "helpdesk_bot", address: "77", threadId: "" },
    parts: [{ content: { case: "text", value: "Hello" } }],
  });
});

test.each([
  ["a group", message(GROUP, { text: "Hi" }), GROUP_KIND, "-4242", ""],
  ["a supergroup", message(SUPERGROUP, { text: "Hi" }), GROUP_KIND, "-1001234567890", ""],
  [
    "a topic",
    message(FORUM, { text: "Hi", message_thread_id: 5, is_topic_message: true }),
    ...[GROUP_KIND, "-1001234567890", "5"],
  ],
  [
    "the general topic of a forum",
    message(FORUM, { text: "Hi" }),
    GROUP_KIND,
    "-1001234567890",
    "",
  ],
  [
    "a reply in a group without topics, whose thread is no topic",
    message(SUPERGROUP, {
      ...{ text: "Hi", message_thread_id: 1234 },
      reply_to_message: message(SUPERGROUP, { message_id: 1234, text: "What?" }),
    }),
    ...[GROUP_KIND, "-1001234567890", ""],
  ],
] as const)("%s", async (_what, content, kind, peerId, threadId) => {
  const event = await said(update(1, content));
  expect(event.name.value).toMatchObject({ kind, peerId, threadId });
  expect(event.place).toMatchObject({ address: peerId, threadId });
});

test("a post in a channel", async () => {
  const chat = { id: -1009, title: "News", type: "channel" };
  const post = { message_id: 3, sender_chat: chat, chat, date: DATE, text: "Read this" };
  const event = await said(update(1, post, "channel_post"));
  expect(event).toMatchObject({ senderId: "-1009", name: { value: { kind: CHANNEL } } });
});

test("an anonymous administrator speaks for the group; any other bot is ignored", async () => {
  const bot = { id: 1087968824, is_bot: true, first_name: "Group", username: "GroupAnonymousBot" };
  const anonymous = message(SUPERGROUP, { from: bot, sender_chat: SUPERGROUP, text: "Hi" });
  expect((await said(update(1, anonymous))).senderId).toBe("-1001234567890");
  const other = message(SUPERGROUP, { from: bot, text: "Hi" });
  expect(await read(update(1, other))).toMatchObject({ kind: "ignored" });
});

test("an edited message is new input, and says that it is", async () => {
  const edited = message(PRIVATE, { text: "Hello!", edit_date: DATE + 5 });
  const event = await said(update(1001, edited, "edited_message"));
  expect(event).toMatchObject({
    messageId: "77/9",
    parts: [{ content: { value: "(edited) Hello!" } }],
  });
  const moving = message(PRIVATE, { location: { latitude: 1, longitude: 2 } });
  expect(await read(update(1, moving, "edited_message"))).toMatchObject({ kind: "ignored" });
});

test("what changes but what was said, such as by a reaction, is the same message again", async () => {
  const first = await said(update(1000, message(PRIVATE, { text: "Hello" })));
  const touched = (text: string, edit_date: number) =>
    said(update(1001, message(PRIVATE, { text, edit_date }), "edited_message"));
  const reaction = await touched("Hello", DATE + 60);
  expect([reaction.eventId, reaction.content]).toEqual([first.eventId, first.content]);
  const edited = await touched("Hello!", DATE + 90);
  expect(edited.eventId).not.toBe(first.eventId);
  expect((await touched("Hello!", DATE + 120)).eventId).toBe(edited.eventId);
  const photo = message(PRIVATE, { photo: PHOTO, caption: "Look" });
  const shown = await said(update(1002, photo));
  const liked = { ...photo, edit_date: DATE + 60 };
  expect((await said(update(1003, liked, "edited_message"))).eventId).toBe(shown.eventId);
  expect(shown.eventId).not.toBe(first.eventId);
});

test.each([
  ["that nobody has edited", { text: "Hello" }],
  ["that is too old for anybody to tell what changed", { text: "Hi", edit_date: DATE + 90_000 }],
  ["that is a command", { text: "/new", edit_date: DATE + 5 }],
])("a change of a message %s is ignored", async (_what, more) => {
  const changed = update(1001, message(PRIVATE, more), "edited_message");
  expect(await read(changed)).toMatchObject({ kind: "ignored" });
});

test("a group that becomes a supergroup, told from either side, is the same two names", async () => {
  const old = update(1, message(GROUP, { migrate_to_chat_id: SUPERGROUP.id }));
  const fresh = update(2, message(SUPERGROUP, { migrate_from_chat_id: GROUP.id }));
  const [first, second] = [await read(old), await read(fresh)];
  expect(first).toEqual(second);
  expect(first).toMatchObject({
    kind: "same-peer",
    samePeers: [{ peer: { peerId: "-4242" }, sameAs: { peerId: "-1001234567890" } }],
    moved: {
      ...{ kind: RouteKind.TELEGRAM, address: "-4242", newAddress: "-1001234567890" },
      changeTime: new Date(DATE * 1_000),
    },
  });
});

test("of a photo's sizes the largest is taken that a turn has room for", async () => {
  const huge = { file_id: "photos/huge.jpg", file_unique_id: "AQADh", file_size: 2_000_000 };
  const photo = await said(update(1, message(PRIVATE, { photo: [...PHOTO, huge] })));
  expect(photo.parts).toMatchObject([
    { content: { value: { source: { value: Buffer.from("JPEG") } } } },
  ]);
  const alone = await said(update(1, message(PRIVATE, { photo: [huge] })));
  expect(alone.parts).toMatchObject([
    { content: { case: "text", value: expect.stringContaining("2000000 bytes, not passed on") } },
  ]);
});

test("files come as bytes, the largest of a photo, with their caption", async () => {
  const photo = await said(update(1, message(PRIVATE, { photo: PHOTO, caption: "Look" })));
  expect(photo.parts).toMatchObject([
    { content: { value: "Look" } },
    {
      content: {
        value: { source: { value: Buffer.from("JPEG") }, mediaType: "image/jpeg" },
      },
    },
  ]);
  const { parts } = await said(update(1, message(PRIVATE, { document: DOCUMENT })));
  expect(parts).toMatchObject([
    { content: { value: { fileName: "report.pdf", mediaType: "application/pdf" } } },
  ]);
});

test.each([
  ["too large", { ...DOCUMENT, file_size: 1024 * 1024 + 1 }],
  ["that cannot be fetched", { ...DOCUMENT, file_id: "gone" }],
])("a file %s is named in words", async (_what, document) => {
  const { parts } = await said(update(1, message(PRIVATE, { document })));
  const size = document.file_size;
  const text = `[file: report.pdf, application/pdf, ${size} bytes, not passed on]`;
  expect(parts).toEqual([{ content: { case: "text", value: text } }]);
});

test("what is neither text nor file is told in a word, or ignored where nobody speaks", async () => {
  const poll = message(GROUP, { poll: { id: "1", question: "Tea?" } });
  expect((await said(update(1, poll))).parts).toMatchObject([{ content: { value: "[poll]" } }]);
  const joined = message(GROUP, { new_chat_members: [ADA] });
  expect(await read(update(1, joined))).toMatchObject({ kind: "ignored" });
  const pressed = update(1, { id: "5", from: ADA, data: "yes" }, "callback_query");
  expect(await read(pressed)).toMatchObject({ kind: "ignored" });
});

test("repeats have the same content, however their files are called by then", async () => {
  const at = (file_id: string) => message(PRIVATE, { document: { ...DOCUMENT, file_id } });
  const [first, again] = [await said(update(1, at("a"))), await said(update(1, at("b")))];
  expect(again.content).toBe(first.content);
  const other = await said(update(1, message(PRIVATE, { text: "Other" })));
  expect(other.content).not.toBe(first.content);
});

test.each([
  ["/new", "new"],
  ["/STATUS", "status"],
  ["/stop@helpdesk_bot", "stop"],
  ["/stop@Helpdesk_Bot ", "stop"],
])("%j is a command", async (text, command) => {
  const event = await commanded(update(1, message(GROUP, { text })));
  expect(event).toMatchObject({ command, eventId: "1", senderId: "77" });
});

test("what is like a command and is none is a message; another bot's is not ours", async () => {
  for (const text of ["/newest", "/new and more", "say /new", "/start"]) {
    expect((await said(update(1, message(PRIVATE, { text })))).parts).toMatchObject([
      { content: { value: text } },
    ]);
  }
  const other = update(1, message(GROUP, { text: "/new@weather_bot" }));
  expect(await read(other)).toMatchObject({ kind: "ignored" });
  expect(await read(other, "helpdesk")).toMatchObject({ kind: "command" });
});

test("/stop is about what was said before it in its chat, and else goes by time", async () => {
  const { isAbout } = await commanded(update(1, message(GROUP, { message_id: 9, text: "/stop" })));
  const late = new Date();
  expect(isAbout({ messageId: "-4242/8", acceptTime: late })).toBe(true);
  expect(isAbout({ messageId: "-4242/10", acceptTime: late })).toBe(false);
  expect(isAbout({ messageId: "77/8", acceptTime: late })).toBe(false);
  expect(isAbout({ messageId: "", acceptTime: new Date(DATE * 1_000) })).toBe(true);
});

test.each([
  ["no id", { message: message(PRIVATE, { text: "Hi" }) }, "update_id"],
  ["an id that is no number", { update_id: "1" }, "update_id"],
  ["no chat", update(1, { message_id: 1, text: "Hi" }), "message.chat"],
  ["an unknown chat", update(1, message({ id: 1, type: "room" }, { text: "Hi" })), "message.chat"],
  ["a chat without an id", update(1, message({ type: "group" }, { text: "Hi" })), "message.chat"],
])("an update with %s is refused by its field", async (_what, wrong, field) => {
  await expect(read(wrong)).rejects.toMatchObject({ fieldViolations: [{ field }] });
});

test("a peer names the account, for agents that keep accounts apart", async () => {
  const peer = await peerIn(update(1, message(PRIVATE, { text: "Hi" })));
  expect(peer).toMatchObject({ accountId: "helpdesk_bot" });
});

test.each(["crowd", "constructor", "__proto__", 7])(
  "a chat of another type is refused by its field: %j",
  async (type) => {
    const refused = read(update(1000, message({ id: 1, type } as never, { text: "Hi" })));
    await expect(refused).rejects.toMatchObject({
      ...{ reason: "INVALID_REQUEST", metadata: { field: "message.chat" } },
    });
  },
);
