import type { Command } from "./event.ts";

const COMMANDS: ReadonlySet<string> = new Set<Command>(["new", "status", "stop"]);

/** The command that a text is, such as "/new" or " /STOP "; undefined: it is a message. */
export function commandOf(text: string): Command | undefined {
  const word = /^\s*\/([a-z]+)\s*$/i.exec(text)?.[1]?.toLowerCase() ?? "";
  return isCommand(word) ? word : undefined;
}

/** Whether a word names a command. */
export function isCommand(word: string): word is Command {
  return COMMANDS.has(word);
}
