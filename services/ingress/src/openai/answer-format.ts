import type { ToolCall } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type {
  TurnEnded,
  TurnQueued,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { LanekeeperError } from "@lanekeeper/rpc";
import type { Receipt } from "./receipt.ts";

/** How an API writes the answer of a turn. */
export interface AnswerFormat {
  /** The body of an answer in one piece. */
  whole(ended: TurnEnded, receipt: Receipt): object;
  /** For one stream. */
  stream(): AnswerStream;
}

/** A `data:` event: JSON, or the text as it is. */
export type StreamData = object | string;

/**
 * Writes one streamed answer, event by event. Knows what was sent, so that an answer whose deltas were
 * not seen here (a turn that was joined late) is sent from its reply.
 */
export interface AnswerStream {
  /** Events are named by their `type`. */
  readonly isNamed: boolean;
  /** True if something of the answer was sent, which cannot be taken back. */
  readonly hasSaid: boolean;
  /** Right after acceptance. */
  open(): StreamData[];
  /** For callers that asked to be told. */
  queued(queued: TurnQueued): StreamData[];
  begun(): StreamData[];
  text(delta: string): StreamData[];
  toolCall(call: ToolCall): StreamData[];
  /** The last events of a turn that has an answer. */
  end(ended: TurnEnded, receipt: Receipt): StreamData[];
  /** The last events of a turn that ended without one. */
  failed(error: LanekeeperError, ended: TurnEnded, receipt: Receipt): StreamData[];
  /** The turn goes on, or what becomes of it is not known: the stream ends all the same. */
  broken(error: LanekeeperError): StreamData[];
}
