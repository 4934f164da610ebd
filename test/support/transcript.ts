import type { TestConstellation } from "@lanekeeper/testing";

/** A line of a transcript. */
export interface Line {
  readonly role: string;
  readonly text: string;
  readonly sessionId: string;
  readonly turnId: string;
}

interface TranscriptMessage {
  readonly sessionId: string;
  readonly turnId: string;
  readonly message: {
    readonly role: string;
    readonly parts: readonly { readonly text?: string }[];
  };
}

/** All that was committed under a canonical key, over all generations, in order. */
export async function transcript(
  { call }: Pick<TestConstellation, "call">,
  sessionKey: string,
): Promise<Line[]> {
  const answer = await call("runner.v1.RunnerService/ListMessages", { sessionKey, pageSize: 500 });
  const messages = (answer["messages"] ?? []) as TranscriptMessage[];
  return messages.map(({ message, sessionId, turnId }) => ({
    role: message.role.replace("ROLE_", "").toLowerCase(),
    text: message.parts.map(({ text }) => text ?? "").join(""),
    sessionId,
    turnId,
  }));
}

/** The same as "role: text" lines. */
export async function spoken(
  constellation: Pick<TestConstellation, "call">,
  sessionKey: string,
): Promise<string[]> {
  const lines = await transcript(constellation, sessionKey);
  return lines.map(({ role, text }) => `${role}: ${text}`);
}
