import { LanekeeperError } from "@lanekeeper/rpc";
import { textOf } from "../domain/message-text.ts";
import { KEY } from "./requests.ts";
import type { Replica } from "./world.ts";

/** The texts of a key's transcript, over all its generations. */
export async function transcript(replica: Replica, key = KEY): Promise<string[]> {
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: key },
  });
  return messages.map(({ message }) => (message === undefined ? "" : textOf(message)));
}

/** The refusal that a call ends with. @throws Error where it ends otherwise */
export async function refusal(work: Promise<unknown>): Promise<LanekeeperError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof LanekeeperError)) throw new Error("no refusal", { cause: error });
  return error;
}
