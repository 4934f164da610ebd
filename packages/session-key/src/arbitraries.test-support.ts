import fc from "fast-check";
import type { AgentId } from "./canonical-key.ts";
import { parseAgentId } from "./canonical-key.ts";
import type { PeerKind } from "./ids/spelling.ts";
import type { Peer } from "./peer.ts";

/**
 * A fixed seed, so that a run can be repeated; SESSION_KEY_SEED and SESSION_KEY_RUNS search
 * elsewhere and for longer.
 */
export const SEARCH = {
  seed: Number(process.env["SESSION_KEY_SEED"] ?? 4_2),
  numRuns: Number(process.env["SESSION_KEY_RUNS"] ?? 2_000),
};

/** What has made two names one before: separators, escapes, marks, look-alikes, the grammar's words. */
export const HOSTILE_FRAGMENTS: readonly string[] = [
  ...[":", "::", "%", "%3A", "%25", "%CC%8A", "thread", "direct", "group", "person", "phone"],
  ...["agent:", "Agent:", "agent", "main", "MAIN", "unknown", "current", "cron", "hook:", "email"],
  ...["a", "A", "H", "T", "K", "é", "e", "0", "12", "-", "+", "@", ";", " ", "\u00a0", "\u2003"],
  ...["\u030a", "\u0301", "\u0331", "\u0338", "\u20dd", "\u093c", "\u0958", "\u1100", "\u1161"],
  ...["\u212a", "\uff1a", "\uff23", "\ufe0f", "\u3164", "\u200d", "\u2028", "\u0000", "\ufdd0"],
  ...["\ud800", "\udc00", "\u{1f680}", "\u{e0100}", "\u{1d41c}", "@s.whatsapp.net", "@lid"],
  ...["@g.us", "any;-;", "iMessage;+;", ";messageid=1", "<#", "<@!", ">", "@example.org", "-100"],
];

const fragment = fc.constantFrom(...HOSTILE_FRAGMENTS);
const anyUnit = fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit));

/** Any JavaScript string, lone surrogates included, with a leaning towards trouble. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme-ascii" }),
  fc.array(anyUnit, { maxLength: 8 }).map((units) => units.join("")),
  fc.array(fragment, { maxLength: 6 }).map((parts) => parts.join("")),
  fc.array(fc.oneof(fragment, fc.string({ unit: "binary", maxLength: 3 }))).map((p) => p.join("")),
  fc
    .tuple(fragment, fc.integer({ min: 1, max: 1100 }))
    .map(([part, times]) => part.repeat(times).slice(0, 1200)),
);

export const agent = fc
  .stringMatching(/^[a-z0-9][a-z0-9_-]{0,8}$/)
  .map((text) => parseAgentId(text) as AgentId);

export const kind = fc.constantFrom<PeerKind>("direct", "group", "channel");

const PEER_IDS: readonly string[] = [
  ...["+13179650799", "13179650799", "1 317-965 0799", "13179650799:2@s.whatsapp.net", "7@lid"],
  ...["120@g.us", "any;-;+13179650799", "SMS;+;chat1", "Bob@Example.org", "bob@bücher.example"],
  ...["42", "-42", "@Name", "<#42>", "C1", "u1", "19:x@thread.tacv2;messageid=1", "12345", "Shop"],
  ...[
    "6E8BC430-9C3A-11D9-9669-0800200C9A66",
    "#Chan[1]",
    "+44 (0)20 7946 0958",
    "+39 (0)6 1234567",
  ],
];

const CHANNELS: readonly string[] = [
  ...["slack", "discord", "telegram", "whatsapp", "signal", "imessage", "matrix", "msteams"],
  ...["googlechat", "line", "feishu", "twitch", "irc", "email", "sms", "voice", "webchat"],
  ...["openai", "mychat", "thread", "group", "channel", "unknown", "constructor", "agent", "main"],
];

const peerId = fc.oneof(fc.constantFrom(...PEER_IDS), anyText);
const optionalText = fc.option(anyText, { nil: undefined });

/** Peers of every channel, most of them with parts that cause trouble. */
export const peer: fc.Arbitrary<Peer> = fc.record({
  channel: fc.oneof(fc.constantFrom(...CHANNELS), anyText),
  account: fc.option(fc.oneof(fc.constantFrom("T1", "acme", "direct"), anyText), {
    nil: undefined,
  }),
  kind,
  peer: peerId,
  thread: optionalText,
});
