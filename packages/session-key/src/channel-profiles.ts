import { discordId, telegramId } from "./ids/decimal.ts";
import { imessageId } from "./ids/imessage.ts";
import { ircName } from "./ids/irc.ts";
import { mailAddress } from "./ids/mail-address.ts";
import { msteamsId } from "./ids/msteams.ts";
import { isPhone } from "./ids/phone.ts";
import { signalId } from "./ids/signal.ts";
import { slackId } from "./ids/slack.ts";
import { asIs, byText, lowerCased, type SpellId } from "./ids/spelling.ts";
import { smsId, voiceId } from "./ids/telephony.ts";
import { whatsappId, whatsappPhone } from "./ids/whatsapp.ts";
import { lowerAscii, upperAscii } from "./text.ts";

/** What a channel's account has to do with its ids. */
type AccountRule =
  /** Ids are unique within an account only: it is part of every key, and must be given. */
  | "required"
  /** Nothing is known of the ids: an account that is given is part of the key. */
  | "when-given"
  /** Ids are unique everywhere: the account stands in keys of `per-account-channel-peer` alone. */
  | "not-identifying";

/** A name that several channels share, for dm scope `per-peer`. */
interface SharedName {
  readonly space: "phone" | "email";
  readonly id: string;
}

/** How one channel names its peers. */
export interface ChannelProfile {
  /** The one spelling of a peer id. */
  readonly id: SpellId;
  readonly account: AccountRule;
  /** The one spelling of an account; as it is where nothing is said. */
  readonly accountId?: (account: string) => string;
  /** What a person's id is outside this channel, if it is anything. */
  readonly shared?: (id: string) => SharedName | undefined;
}

/** One entry per channel. A new channel is one line here, and its rule in `ids/` if it has one. */
const PROFILES: Readonly<Record<string, ChannelProfile>> = {
  slack: { id: slackId, account: "required", accountId: upperAscii },
  discord: { id: discordId, account: "not-identifying" },
  telegram: { id: telegramId, account: "not-identifying" },
  whatsapp: { id: whatsappId, account: "not-identifying", shared: sharedWhatsapp },
  signal: { id: signalId, account: "not-identifying", shared: sharedName },
  imessage: { id: imessageId, account: "not-identifying", shared: sharedName },
  matrix: { id: asIs, account: "not-identifying" },
  msteams: { id: msteamsId, account: "not-identifying" },
  googlechat: { id: asIs, account: "not-identifying" },
  line: { id: asIs, account: "required" },
  feishu: { id: asIs, account: "required" },
  wechat: { id: asIs, account: "required" },
  dingtalk: { id: asIs, account: "required" },
  twitch: { id: lowerCased, account: "not-identifying" },
  irc: { id: ircName, account: "required", accountId: lowerAscii },
  email: {
    id: byText("a mail address with a domain", mailAddress),
    account: "not-identifying",
    shared: sharedName,
  },
  sms: { id: smsId, account: "not-identifying", shared: sharedName },
  voice: { id: voiceId, account: "not-identifying", shared: sharedName },
  webchat: { id: asIs, account: "when-given" },
  openai: { id: asIs, account: "when-given" },
};

const UNKNOWN_CHANNEL: ChannelProfile = { id: asIs, account: "when-given" };

/** A map, so that a channel called `constructor` finds no property of every object. */
const BY_NAME: ReadonlyMap<string, ChannelProfile> = new Map(Object.entries(PROFILES));

export const PROFILED_CHANNELS: readonly string[] = [...BY_NAME.keys()];

export function hasProfile(channel: string): boolean {
  return BY_NAME.has(channel);
}

export function profileOf(channel: string): ChannelProfile {
  return BY_NAME.get(channel) ?? UNKNOWN_CHANNEL;
}

function sharedName(id: string): SharedName | undefined {
  if (isPhone(id)) return { space: "phone", id };
  return id.includes("@") ? { space: "email", id } : undefined;
}

function sharedWhatsapp(id: string): SharedName | undefined {
  const number = whatsappPhone(id);
  return number === undefined ? undefined : { space: "phone", id: number };
}
