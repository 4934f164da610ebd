import { type Command, commandOf } from "@lanekeeper/adapter-kit";

/**
 * The command of a message such as "/new" or "/new@helpdesk_bot". In groups a command may name its bot:
 * user names of bots end in "bot", so an account that is named otherwise answers to any.
 * https://core.telegram.org/bots/features#commands
 */
export function commandIn(text: string, accountId: string): Command | "another bot's" | undefined {
  const [, word = "", name] = /^(\/[a-z]+)@(\w+)$/i.exec(text.trim()) ?? [];
  if (name === undefined) return commandOf(text);
  const ours = accountId.toLowerCase();
  if (ours.endsWith("bot") && name.toLowerCase() !== ours) return "another bot's";
  return commandOf(word);
}
