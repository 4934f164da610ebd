import type { Turn } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
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

/** A turn as it stands now. @throws LanekeeperError NOT_FOUND */
export async function turnOf(replica: Replica, turnId: string): Promise<Turn> {
  const { turn } = await replica.client.getTurn({ turnId });
  if (turn === undefined) throw new Error("no turn");
  return turn;
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
