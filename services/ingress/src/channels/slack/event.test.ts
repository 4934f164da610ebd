import type { CommandEvent, InboundEvent, MessageEvent } from "@lanekeeper/adapter-kit";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { expect, test } from "vitest";
import type { JsonObject } from "../../http/json-body.ts";
import { ADA, BOT, slackCallback, slackForm, slackMessage, TEAM } from "../../testing/slack.ts";
import { eventOf } from "./event.ts";
import { slashCommandOf } from "./slash-command.ts";

const NO_FILES = {
  ...{ token: "", apiUrl: new URL("https://slack.com/api/") },
  signal: new AbortController().signal,
};
const DIRECT = { channel: "D0DIRECT01", channel_type: "im" } as const;

const read = (event: object, more: object = {}): Promise<InboundEvent> =>
  eventOf(slackCallback(event, more) as JsonObject, NO_FILES);

async function said(event: object): Promise<MessageEvent> {
  const found = await read(event);
  if (found.kind !== "message") throw new Error(`${found.kind}, no message`);
  return found;
}

async function commanded(event: object): Promise<CommandEvent> {
  const found = await read(event);
  if (found.kind !== "command") throw new Error(`${found.kind}, no command`);
  return found;
}

const ROOT = "1769860800.000100";

test("a message in a channel begins a thread, is answered there, and its replies are with it", async () => {
  const root = await said(slackMessage());
  expect(root).toMatchObject({
    ...{ eventId: `C0123456789/${ROOT}`, messageId: ROOT, senderId: ADA },
    name: {
      value: {
        ...{ channel: "slack", accountId: TEAM, kind: PeerKind.CHANNEL },
        ...{ peerId: "C0123456789", threadId: ROOT },
      },
    },
    place: { accountId: TEAM, address: "C0123456789", threadId: ROOT },
    samePeers: [],
  });
  const below = slackMessage({ ts: "1769860900.000200", thread_ts: ROOT });
  const reply = await said(below);
  expect([reply.name, reply.place]).toEqual([root.name, root.place]);
  const broadcast = await said({ ...below, subtype: "thread_broadcast" });
  expect(broadcast.name).toEqual(root.name);
});

test("a channel that is made private stays one", async () => {
  const before = await said(slackMessage());
  const after = await said(slackMessage({ channel_type: "group" }));
  expect(after.name).toEqual(before.name);
});

test("one message that comes as two events is one turn", async () => {
  const text = `<@${BOT}> Hello`;
  const [message, mention] = [
    await said(slackMessage({ text })),
    await said(slackMessage({ text, type: "app_mention" })),
  ];
  expect([mention.eventId, mention.content]).toEqual([message.eventId, message.content]);
  expect(message.parts).toMatchObject([{ content: { value: "Hello" } }]);
});

test("a direct message is of its person, whose two ids are one", async () => {
  const { name, place, samePeers } = await said(slackMessage(DIRECT));
  expect(name.value).toMatchObject({ kind: PeerKind.DIRECT, peerId: ADA, threadId: "" });
  expect(place).toMatchObject({ address: "D0DIRECT01", threadId: "" });
  expect(samePeers).toMatchObject([{ peer: { peerId: ADA }, sameAs: { peerId: "D0DIRECT01" } }]);
  const threaded = await said(
    slackMessage({ ...DIRECT, ts: "1769860900.000200", thread_ts: ROOT }),
  );
  expect(threaded.name.value).toMatchObject({ peerId: ADA, threadId: ROOT });
});

test.each([
  ["the bot's own message", slackMessage({ user: BOT })],
  ["another bot's message", slackMessage({ bot_id: "B0OTHER", app_id: "A1" })],
  ["what Slack itself says", slackMessage({ user: "USLACKBOT" })],
  ["a bot's message without a user", slackMessage({ subtype: "bot_message", user: undefined })],
  ["someone who joins", slackMessage({ subtype: "channel_join" })],
  ["a message that is deleted", slackMessage({ subtype: "message_deleted", deleted_ts: ROOT })],
  ["a reaction", { type: "reaction_added", user: ADA }],
  ["nothing said", slackMessage({ text: " " })],
])("%s is ignored", async (_what, event) => {
  expect(await read(event)).toMatchObject({ kind: "ignored" });
});

const valuesOf = ({ parts }: MessageEvent): unknown[] =>
  parts.map(({ content }) => (content?.case === "text" ? content.value : content?.case));

/** As Slack shows a message below one that passes it on. */
function shared(more: object = {}): object {
  return {
    ...{ ts: "1769860700.000100", author_id: "U0BOB00001", author_name: "Bob", is_share: true },
    ...{ is_msg_unfurl: true, channel_id: "C0OTHER", text: "1 &lt; 2, see <https://example.org>" },
    ...{
      fallback: "[January 31st] bob: 1 < 2",
      from_url: "https://x.slack.com/archives/C0OTHER/p1",
    },
    ...more,
  };
}

test("a forwarded message is said in its author's name, with what is said to it", async () => {
  const forward = await said(slackMessage({ text: "", attachments: [shared()] }));
  const words = "(forwarded from Bob) 1 < 2, see https://example.org";
  expect(valuesOf(forward)).toEqual([words]);
  const asked = await said(slackMessage({ text: "Is this so?", attachments: [shared(), {}, 7] }));
  expect(valuesOf(asked)).toEqual(["Is this so?", words]);
  const blank = shared({ text: "", author_name: undefined });
  expect(valuesOf(await said(slackMessage({ text: "", attachments: [blank] })))).toEqual([
    "(forwarded) [January 31st] bob: 1 < 2",
  ]);
});

test("files of a forwarded message come with it; a preview of a link is nobody's message", async () => {
  const files = [{ id: "F1", name: "a.png", mimetype: "image/png", size: 3 }];
  const picture = shared({ text: "", fallback: "", files });
  expect(valuesOf(await said(slackMessage({ text: "", attachments: [picture] })))).toEqual([
    "[file: a.png, image/png, 3 bytes, not passed on]",
  ]);
  const preview = { from_url: "https://example.org", text: "A page", fallback: "A page" };
  expect(valuesOf(await said(slackMessage({ attachments: [preview] })))).toEqual(["Hello"]);
});

test("previews that come between two events of a message make it no other", async () => {
  const [before, after] = [
    await said(slackMessage()),
    await said(slackMessage({ type: "app_mention", attachments: [shared()] })),
  ];
  expect([after.eventId, after.content]).toEqual([before.eventId, before.content]);
});

test("a mention without a word calls the bot, with what it brings along", async () => {
  const called = await said(slackMessage({ type: "app_mention", text: ` <@${BOT}> ` }));
  expect(valuesOf(called)).toEqual(["(mentioned you, without a word)"]);
  expect(called.place).toMatchObject({ address: "C0123456789", threadId: ROOT });
  const files = [{ id: "F1", name: "a.png", mimetype: "image/png", size: 3 }];
  const shown = await said(slackMessage({ text: `<@${BOT}>`, subtype: "file_share", files }));
  expect(valuesOf(shown)).toEqual(["[file: a.png, image/png, 3 bytes, not passed on]"]);
  const passed = await said(slackMessage({ text: `<@${BOT}>`, attachments: [shared()] }));
  expect(valuesOf(passed)).toEqual(["(forwarded from Bob) 1 < 2, see https://example.org"]);
  expect(await read(slackMessage({ text: "<@U0OTHER>" }))).toMatchObject({
    parts: [{ content: { value: "<@U0OTHER>" } }],
  });
});

function changed(message: object, previous: object): object {
  const shell = { type: "message", subtype: "message_changed", channel: "C0123456789" };
  return { ...shell, message, previous_message: previous, hidden: true, ts: "1769860999.0003" };
}

test("an edit is new input of its message's conversation, and says that it is", async () => {
  const before = slackMessage({ channel: undefined, channel_type: undefined });
  const edited = { ...before, text: "Hello!", edited: { user: ADA, ts: "1769860950.000000" } };
  const event = await said(changed(edited, before));
  expect(event).toMatchObject({
    eventId: `C0123456789/${ROOT}/edit/1769860950.000000`,
    name: { value: { threadId: ROOT } },
    parts: [{ content: { value: "(edited) Hello!" } }],
  });
  const unfolded = { ...before, attachments: [{ from_url: "https://example.org" }] };
  expect(await read(changed(unfolded, before))).toMatchObject({ kind: "ignored" });
  const again = { ...edited, attachments: [] };
  expect(await read(changed(again, edited))).toMatchObject({ kind: "ignored" });
});

test("an edit that only a mention tells of is that edit, and no repeat of what was said first", async () => {
  const first = slackMessage({ type: "app_mention", text: `<@${BOT}> Helo` });
  const change = { text: `<@${BOT}> Hello`, edited: { user: ADA, ts: "1769860950.000000" } };
  const again = await said({ ...first, ...change });
  expect(again.eventId).toBe(`C0123456789/${ROOT}/edit/1769860950.000000`);
  expect(again.parts).toMatchObject([{ content: { value: "(edited) Hello" } }]);
  const { channel: _, ...before } = slackMessage({ text: `<@${BOT}> Helo` }) as JsonObject;
  const heard = await said(changed({ ...before, ...change }, before));
  expect([heard.eventId, heard.content]).toEqual([again.eventId, again.content]);
});

test("an edit of a direct message that has replies below stays in the direct conversation", async () => {
  const before = slackMessage({ thread_ts: ROOT, reply_count: 2 });
  const edited = { ...before, text: "Hello!", edited: { user: ADA, ts: "1769860950.000000" } };
  const event = await said({ ...changed(edited, before), channel: DIRECT.channel });
  expect(event.name.value).toMatchObject({ peerId: ADA, threadId: "" });
  expect(event.place).toMatchObject({ address: DIRECT.channel, threadId: "" });
});

test("what Slack puts in the place of a thread's deleted beginning is nobody's message", async () => {
  const before = slackMessage({ thread_ts: ROOT, edited: { user: ADA, ts: "1769860950.000000" } });
  const gone = { ...before, subtype: "tombstone", text: "This message was deleted." };
  expect(await read(changed(gone, before))).toMatchObject({ kind: "ignored" });
});

test("whoever has installed the app for themselves is a person, and is heard", async () => {
  const authorizations = [{ team_id: TEAM, user_id: ADA, is_bot: false }];
  expect(await read(slackMessage(), { authorizations })).toMatchObject({ kind: "message" });
  expect(await read(slackMessage({ bot_id: null }))).toMatchObject({ kind: "message" });
});

test("in a channel that is shared with another team the bot's own team is the account", async () => {
  const found = await read(slackMessage(), { team_id: "T0PARTNER", is_ext_shared_channel: true });
  expect(found).toMatchObject({
    name: { value: { accountId: TEAM } },
    place: { accountId: TEAM },
  });
});

test("text comes as people read it", async () => {
  const text = "1 &lt; 2 &amp;&amp; see <https://example.org|the page> or <https://example.com>";
  const { parts } = await said(slackMessage({ text }));
  const value = "1 < 2 && see the page (https://example.org) or https://example.com";
  expect(parts).toMatchObject([{ content: { value } }]);
});

test("commands: behind a mention, in the thread; not in an edit", async () => {
  const text = `<@${BOT}> /new`;
  const event = await commanded(slackMessage({ text, thread_ts: ROOT, ts: "1769860900.0002" }));
  expect(event).toMatchObject({ command: "new", name: { value: { threadId: ROOT } } });
  expect(event.place).toMatchObject({ threadId: ROOT });
  const late = new Date();
  expect(event.isAbout({ messageId: ROOT, acceptTime: late })).toBe(true);
  expect(event.isAbout({ messageId: "1769860900.0003", acceptTime: late })).toBe(false);
  expect(event.isAbout({ messageId: "", acceptTime: late })).toBe(false);
  expect(await read(slackMessage({ text: "<@U0OTHER> /new" }))).toMatchObject({ kind: "message" });
});

test("a channel that gets another id is the same under both", async () => {
  const ids = { old_channel_id: "G1", new_channel_id: "C2" };
  const event = { type: "channel_id_changed", ...ids, event_ts: "1769860800.500000" };
  expect(await read(event)).toMatchObject({
    kind: "same-peer",
    samePeers: [{ peer: { peerId: "G1" }, sameAs: { peerId: "C2" } }],
    moved: {
      ...{ kind: RouteKind.SLACK, accountId: TEAM, address: "G1", newAddress: "C2" },
      changeTime: new Date(1_769_860_800_500),
    },
  });
  const untimed = await read({ ...event, event_ts: "?" });
  expect(untimed).toMatchObject({ moved: { changeTime: new Date(1_769_860_800_000) } });
});

test("a file without a token, or of another host, is named in words", async () => {
  const files = [
    { id: "F1", name: "a.png", mimetype: "image/png", size: 3, url_private: "https://evil.org/a" },
  ];
  const what = slackMessage({ subtype: "file_share", text: "", files });
  const text = "[file: a.png, image/png, 3 bytes, not passed on]";
  expect((await said(what)).parts).toMatchObject([{ content: { value: text } }]);
  const payload = slackCallback(what) as JsonObject;
  const elsewhere = await eventOf(payload, { ...NO_FILES, token: "xoxb-token" });
  expect(elsewhere).toMatchObject({ parts: [{ content: { value: text } }] });
});

test.each([
  ["/lane-new", "", "new"],
  ["/lane_stop", "", "stop"],
  ["/lane", " Status ", "status"],
])("the slash command %s %s", (command, text, wanted) => {
  const form = new URLSearchParams(slackForm({ command, text }));
  expect(slashCommandOf(form, new Date())).toMatchObject({
    ...{ kind: "command", command: wanted, senderId: ADA, place: undefined },
    eventId: "command/13345224609.738474920",
    name: { value: { peerId: ADA } },
  });
});

test("a slash command comes with no time of Slack's: a clock of ours that is behind hides no turn", () => {
  const ourTime = new Date(Number(ROOT) * 1_000 - 5_000);
  const event = slashCommandOf(new URLSearchParams(slackForm({ command: "/lane-stop" })), ourTime);
  if (event.kind !== "command") throw new Error("no command");
  const acceptTime = ourTime;
  expect(event.isAbout({ messageId: ROOT, acceptTime })).toBe(true);
  const later = String(Number(ROOT) + 60);
  expect(event.isAbout({ messageId: later, acceptTime })).toBe(false);
});

test("another slash command is ignored", () => {
  const form = new URLSearchParams(slackForm({ command: "/weather", text: "Berlin" }));
  expect(slashCommandOf(form, new Date())).toMatchObject({ kind: "ignored" });
});

test.each([
  ["event", { event: "none" }],
  ["team_id", { event: slackMessage(), team_id: 7 }],
  ["event.channel", { event: slackMessage({ channel: "kitchen" }) }],
  ["event.ts", { event: slackMessage({ ts: 7 }) }],
  ["event.text", { event: slackMessage({ text: {} }) }],
  ["event.new_channel_id", { event: { type: "channel_id_changed" } }],
])("a wrong %s is refused by its name", async (field, more) => {
  await expect(read({}, more)).rejects.toMatchObject({ fieldViolations: [{ field }] });
});
