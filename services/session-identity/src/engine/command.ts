import type { CanonicalKey } from "@lanekeeper/session-key";
import type { BeginAnswer, BeginCommand } from "../domain/begin-run.ts";
import type { WriteAnswer } from "../domain/records.ts";
import type { Refusal } from "../domain/refusal.ts";
import type { ReserveAnswer, ReserveCommand } from "../domain/reserve.ts";
import type { RotateAnswer, RotateCommand } from "../domain/rotate.ts";
import type { WriteReplyCommand } from "../domain/write-reply.ts";
import type { WriteRunCommand } from "../domain/write-run.ts";
import type { Asker } from "../store/journal/journal-rows.ts";
import type { LedBy } from "../store/keys/read-leads.ts";
import type { NewBinding } from "../store/batch/write-batch.ts";

/** What can be asked of one key. */
export type Ask =
  | {
      readonly kind: "reserve";
      readonly command: ReserveCommand;
      readonly agentId: string;
      /** The name that led here, where it is not in the ledger yet. */
      readonly binding: NewBinding | undefined;
      /** Peers: by what the name was read to lead here. */
      readonly ledBy: LedBy | undefined;
    }
  | { readonly kind: "begin"; readonly command: BeginCommand; readonly agentId: string }
  | { readonly kind: "write_run"; readonly command: WriteRunCommand }
  | { readonly kind: "write_reply"; readonly command: WriteReplyCommand }
  | {
      readonly kind: "rotate";
      readonly command: RotateCommand;
      readonly requestId: string;
      readonly fingerprint: string;
    };

/** What each kind is answered. */
export interface Answers {
  readonly reserve: ReserveAnswer;
  readonly begin: BeginAnswer;
  readonly write_run: WriteAnswer;
  readonly write_reply: WriteAnswer;
  readonly rotate: RotateAnswer;
}

/** One call on its way through the engine. */
export interface Command {
  readonly tenant: string;
  readonly sessionKey: CanonicalKey;
  readonly asker: Asker;
  readonly ask: Ask;
}

export type Result = Answers[keyof Answers] | Refusal;
