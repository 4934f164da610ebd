/** Why a model gave no answer. */
export type ModelErrorReason = "MODEL_FAILED" | "MODEL_STREAM_CUT" | "MODEL_TIMEOUT";

/** A model gave no answer; the turn ends with this reason. */
export class ModelError extends Error {
  readonly reason: ModelErrorReason;

  constructor(reason: ModelErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ModelError";
    this.reason = reason;
  }
}
