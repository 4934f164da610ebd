import { type Command, type InboundEvent, isCommand } from "@lanekeeper/adapter-kit";
import { invalid } from "@lanekeeper/rpc";
import { cameBefore, CLOCK_SKEW_MS } from "./event.ts";
import { conversationOf } from "./scene.ts";

/**
 * The event of a slash command. Slack's own commands keep some words to themselves, so an app's may end in
 * ours ("/lane-new", "/lane_stop") or be followed by them ("/lane status"). Slack tells no thread with
 * them: in a channel, "@bot /new" in the thread is the way.
 * @throws INVALID_REQUEST
 * @see https://docs.slack.dev/interactivity/implementing-slash-commands
 */
export function slashCommandOf(form: URLSearchParams, now: Date): InboundEvent {
  const field = (name: string): string => form.get(name) ?? "";
  const command = commandIn(field("command"), field("text"));
  if (command === undefined) return { kind: "ignored", why: "another command" };
  const [teamId, channelId, userId] = [field("team_id"), field("channel_id"), field("user_id")];
  const trigger = field("trigger_id");
  if (!/^[CDG][A-Z0-9]+$/.test(channelId))
    throw invalid("channel_id", "must be a conversation's id");
  if (trigger === "") throw invalid("trigger_id", "is required");
  const { name, samePeers } = conversationOf({ teamId, channelId, userId, threadTs: "" });
  return {
    kind: "command",
    command,
    name,
    samePeers,
    senderId: userId,
    eventId: `command/${trigger}`,
    // The answer to the post tells it to the person alone.
    place: undefined,
    // By our clock, and given once: Slack sends no slash command again.
    isAbout: cameBefore(String((now.getTime() + CLOCK_SKEW_MS) / 1_000)),
  };
}

function commandIn(command: string, text: string): Command | undefined {
  const said = text.trim().toLowerCase();
  if (said !== "") return isCommand(said) ? said : undefined;
  const word = command.toLowerCase().split(/[/_-]/).at(-1) ?? "";
  return isCommand(word) ? word : undefined;
}
