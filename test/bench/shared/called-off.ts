/** Rejects when the run is interrupted or takes too long, so that everything is closed in order. */
export function calledOff(afterMs: number): Promise<never> {
  return new Promise((_, reject) => {
    const because = (why: string) => () => reject(new Error(why));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, because(`stopped by ${signal}`));
    }
    setTimeout(because(`not done after ${afterMs / 60_000} minutes`), afterMs).unref();
  });
}
