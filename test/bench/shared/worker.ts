import type { Reply } from "./worker-process.ts";

/** The other side of `startWorker`: answers each job, and closes when its parent has gone. */
export function serveJobs<Job>(options: {
  readonly hello: unknown;
  readonly run: (job: Job) => Promise<unknown>;
  readonly close: () => void;
}): void {
  process.on("message", (job: Job) => {
    options.run(job).then(
      (answer) => say({ answer }),
      (error: unknown) =>
        say({ error: error instanceof Error ? (error.stack ?? "") : String(error) }),
    );
  });
  process.once("disconnect", options.close);
  say({ answer: options.hello });
}

/** A parent that has gone asked for nothing any more. */
function say(reply: Reply): void {
  process.send?.(reply, undefined, undefined, () => undefined);
}
