import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A module of this benchmark in a process of its own; it answers one message with one message. */
export interface WorkerProcess extends AsyncDisposable {
  readonly pid: number;
  /** What it says when it is ready. */
  readonly hello: unknown;
  ask(question: object): Promise<unknown>;
}

/** What a worker sends: the answer, or why there is none. */
export type Reply = { readonly answer: unknown } | { readonly error: string };

/** The module says hello first. It ends when its IPC channel closes, that is with us. */
export async function startWorker(
  module: URL,
  env: Readonly<Record<string, string>>,
  cpuProf: string | undefined,
): Promise<WorkerProcess> {
  const execArgv = [...process.execArgv, ...profileFlags(cpuProf)];
  const child = fork(fileURLToPath(module), { env: { ...process.env, ...env }, execArgv });
  const hello = await nextReply(child);
  return {
    pid: child.pid ?? 0,
    hello,
    ask: async (question) => {
      const reply = nextReply(child);
      child.send(question);
      return reply;
    },
    [Symbol.asyncDispose]: () => stop(child),
  };
}

/** What makes a Node process write a V8 profile into the folder when it ends. */
export function profileFlags(folder: string | undefined): string[] {
  return folder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${folder}`];
}

async function nextReply(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  const over = once(child, "exit", { signal: ended.signal }).then(([code]) => {
    throw new Error(`a process of the benchmark ended with ${code}`);
  });
  over.catch(() => undefined);
  try {
    const [reply] = (await Promise.race([
      once(child, "message", { signal: ended.signal }),
      over,
    ])) as [Reply];
    if ("error" in reply) throw new Error(reply.error);
    return reply.answer;
  } finally {
    ended.abort();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.disconnect();
  await ended;
}
