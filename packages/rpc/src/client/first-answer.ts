import { isRetryable } from "../errors/is-retryable.ts";

/** Asks a second one as well. `giveUp` ends the first call. */
export type AskOther = (giveUp: () => void) => void;

/**
 * The answer of whoever is first: of the one that was asked, or of another that is asked because that one
 * fell silent. A failure that may be retried is no answer while the other one is still to come.
 */
export function firstAnswer<T>(
  ask: (askOther: AskOther) => Promise<T>,
  other: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let open = 1;
    let isSettled = false;
    let end = () => {};
    const settle = (result: () => void) => {
      if (isSettled) return;
      isSettled = true;
      result();
      end();
    };
    const answered = (answer: T) => settle(() => resolve(answer));
    const failed = (error: unknown) => {
      open -= 1;
      if (open === 0 || !isRetryable(error)) settle(() => reject(error));
    };
    const first = ask((giveUp) => {
      if (isSettled) return;
      const controller = new AbortController();
      open += 1;
      end = () => {
        giveUp();
        controller.abort();
      };
      other(controller.signal).then(answered, failed);
    });
    first.then(answered, failed);
  });
}
