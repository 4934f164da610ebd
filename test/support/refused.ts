import { APIError } from "openai";

/** What a request was refused with. */
export interface Refusal {
  readonly status: number;
  /** Our reason. */
  readonly code: string;
  readonly headers: Headers;
  /** The `error` object of the body. */
  readonly error: unknown;
}

/** The refusal that a request ended with; an answer, or another failure, is an error. */
export async function refused(asked: Promise<unknown>): Promise<Refusal> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof APIError) || error.status === undefined) {
    throw new Error("the request was not refused", { cause: error });
  }
  const { status, code, headers, error: body } = error as APIError;
  return { status: status ?? 0, code: code ?? "", headers: headers ?? new Headers(), error: body };
}
