/** Ctrl-C under `npm start` comes twice within milliseconds: from the terminal, and from npm. */
const ECHO_MS = 250;

/** Asking for the parent's pid takes a microsecond. */
const PARENT_POLL_MS = 500;

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** What the signals of this process ask for. */
export class StopRequest {
  readonly #stop = new AbortController();
  readonly #force = new AbortController();
  readonly #nowMs: () => number;
  #firstMs: number | undefined;

  /** @param nowMs monotonic */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Aborted by the first signal: stop in order. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborted by a second one that was meant: stop at once. */
  get force(): AbortSignal {
    return this.#force.signal;
  }

  /**
   * Listens from now on; what is disposed gives the signals back. A program that started us with an
   * IPC channel ends us by its own end, however it comes.
   */
  listen(): Disposable {
    for (const name of SIGNALS) process.on(name, this.#onSignal);
    process.on("disconnect", this.#onDisconnect);
    const watch = this.#watchNpm();
    return {
      [Symbol.dispose]: () => {
        clearInterval(watch);
        for (const name of SIGNALS) process.off(name, this.#onSignal);
        process.off("disconnect", this.#onDisconnect);
      },
    };
  }

  /**
   * `npm start` that is ended otherwise than by a signal which it passes on (npm's own shell gets it,
   * or nobody) would leave us behind, without anybody who knows of us.
   */
  #watchNpm(): NodeJS.Timeout | undefined {
    if (process.env["npm_lifecycle_event"] !== "start") return undefined;
    const parent = process.ppid;
    const look = () => {
      if (process.ppid !== parent) this.#stop.abort(new Error("npm is gone"));
    };
    return setInterval(look, PARENT_POLL_MS).unref();
  }

  readonly #onDisconnect = (): void => this.#stop.abort(new Error("whoever started this is gone"));

  readonly #onSignal = (name: NodeJS.Signals): void => {
    const nowMs = this.#nowMs();
    if (this.#firstMs === undefined) {
      this.#firstMs = nowMs;
      this.#stop.abort(new Error(name));
    } else if (nowMs - this.#firstMs >= ECHO_MS) {
      this.#force.abort(new Error(name));
    }
  };
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The result of `work`, unless the signal comes first: then its reason is thrown, and work goes on unwatched. */
export async function unlessStopped<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const stopped = aborted(signal).then((): never => {
    throw signal.reason;
  });
  return Promise.race([work, stopped]);
}

/** Resolves also where `work` fails after the signal: a start that is called off fails in many ways. */
export async function unlessCalledOff(signal: AbortSignal, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
