import {
  type ServerInterceptor,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
} from "@grpc/grpc-js";

/**
 * Messages of one stream that may be on their way into its socket at once. Up to 64 small frames fill
 * about one TCP segment's worth of writes; the HTTP/2 window still bounds the bytes.
 */
const MAX_WRITES = 64;

/**
 * grpc-js hands a stream's next message on only when the last one was flushed, so that 64 answers
 * cost 64 flushes, one after the other. This call takes up to MAX_WRITES of them at once, which Node
 * then writes together; beyond that backpressure holds as before.
 */
class PipelinedCall extends ServerInterceptingCall {
  #writing = 0;
  #waiting: (() => void) | undefined;

  override sendMessage(message: unknown, done: () => void): void {
    this.#writing += 1;
    super.sendMessage(message, () => {
      this.#writing -= 1;
      const next = this.#waiting;
      this.#waiting = undefined;
      next?.();
    });
    if (this.#writing < MAX_WRITES) done();
    else this.#waiting = done;
  }
}

/** Applies to streams alone; a unary call has one answer and passes untouched. */
export const pipelinedWrites: ServerInterceptor = (
  { responseStream },
  call: ServerInterceptingCallInterface,
) => (responseStream ? new PipelinedCall(call) : (call as ServerInterceptingCall));
