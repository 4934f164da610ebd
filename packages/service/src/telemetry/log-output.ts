import fs from "node:fs";
import { destination } from "pino";

/**
 * Lines go out together, as many as a page holds, and none waits longer than this: each write of its own wakes
 * a thread, and so does one of nothing. What a killed process had not written yet is lost; one that ends by itself
 * writes all.
 */
const PAGE_BYTES = 4_096;
const LATEST_MS = 50;

/**
 * What waits for a reader that reads no more, as a supervisor whose terminal was stopped with Ctrl-S: some
 * twenty thousand lines. Beyond it new lines are dropped, rather than taking all memory.
 */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** Where a log's lines go: a file descriptor. */
export type LogOutput = ReturnType<typeof destination>;

/** Asynchronous, so that a slow reader of our output does not stop the event loop; pino flushes it at exit. */
export function logOutput(fd: number, maxWaitingBytes = MAX_WAITING_BYTES): LogOutput {
  const output = destination({
    dest: fd,
    sync: false,
    minLength: PAGE_BYTES,
    maxLength: maxWaitingBytes,
  });
  flushOnceWritten(output);
  outliveErrors(output);
  return output;
}

/** Sonic-boom's own periodic flush wakes a thread twenty times a second in a process that says nothing. */
function flushOnceWritten(output: LogOutput): void {
  const write = output.write.bind(output);
  const [end, destroy] = [output.end.bind(output), output.destroy.bind(output)];
  let waiting = 0;
  let timer: NodeJS.Timeout | undefined;
  const schedule = (): void => {
    timer ??= setTimeout(flush, LATEST_MS).unref();
  };
  function flush(): void {
    timer = undefined;
    if (waiting <= 0) return;
    // While a write is under way it does nothing: what came since goes with the next.
    schedule();
    output.flush();
  }
  const gone = (bytes: number): void => {
    waiting -= bytes;
  };
  // What is written at once, as behind a fatal line, is not told of: then it flushes for nothing from there on.
  output.on("write", gone);
  output.on("drop", (line: string) => gone(Buffer.byteLength(line)));
  output.write = (line) => {
    waiting += Buffer.byteLength(line);
    schedule();
    return write(line);
  };
  // Either writes what waits, or gives it up; an output that is destroyed throws where it is flushed.
  const over = (work: () => void) => () => {
    clearTimeout(timer);
    waiting = 0;
    work();
  };
  output.end = over(end);
  output.destroy = over(destroy);
}

/** A reader that is slow gets so many tries, each after 100 ms (sonic-boom's pause), for what is written last. */
const LAST_TRIES = 10;

/**
 * A terminal that was closed (EIO), a reader that is gone or a full disk is no reason to end in the middle of a
 * drain, nor to stay for ever: what pino writes at once, behind a fatal line and at exit, sonic-boom tries again
 * without end where it cannot be written. It is given up instead.
 */
function outliveErrors(output: LogOutput): void {
  output.on("error", () => undefined);
  const flush = output.flushSync.bind(output);
  output.flushSync = () => {
    const { writeSync } = fs;
    let triesLeft = LAST_TRIES;
    const writeOrGiveUp = (fd: number, data: string | Buffer): number => {
      try {
        return typeof data === "string" ? writeSync(fd, data, null, "utf8") : writeSync(fd, data);
      } catch (error) {
        triesLeft -= 1;
        if (isBusy(error) && triesLeft > 0) throw error;
        return Buffer.byteLength(data);
      }
    };
    // There is no other way to reach what it writes by; nothing else runs until it is put back.
    Object.assign(fs, { writeSync: writeOrGiveUp });
    try {
      flush();
    } finally {
      Object.assign(fs, { writeSync });
    }
  };
}

function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EAGAIN" || code === "EBUSY";
}

/** Calls back once what waited is written again, with how many lines were dropped meanwhile. */
export function onceReadAgain(output: LogOutput, tell: (lost: number) => void): void {
  let lost = 0;
  output.on("drop", () => {
    lost += 1;
  });
  output.on("drain", () => {
    const told = lost;
    lost = 0;
    if (told > 0) tell(told);
  });
}
