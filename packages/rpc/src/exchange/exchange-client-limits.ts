/** How a client keeps its Exchange streams. */
export interface ExchangeClientLimits {
  /** Calls before the first stream is opened: a program of a few calls needs none. */
  readonly warmUpCalls: number;
  /** Calls on the way in one stream; more go as unary calls. Below the server's 1,024. */
  readonly maxInFlight: number;
  /**
   * A larger request goes as a call of its own. It would hold up all others of the stream, and one that the
   * server takes for too large would end them.
   */
  readonly maxRequestBytes: number;
  /** A stream is replaced at this age (±10 %), so that load spreads over new replicas. */
  readonly maxAgeMs: number;
  /** A stream without calls for so long is closed, so that it keeps no process alive. */
  readonly idleMs: number;
  /** Between two attempts to open a stream that failed, doubling up to the maximum, jittered. */
  readonly redialMs: number;
  readonly maxRedialMs: number;
  /**
   * A replica that says it is shutting down gets no calls in its stream for so long, where another has one: it may
   * say so for as long as its runs take, and who asks it again meanwhile spends his attempts on it.
   */
  readonly leavingMs: number;
  /** Until a server that has no Exchange, or not for us, is asked again. */
  readonly refusedMs: number;
  /** Between two looks at which replicas there are. */
  readonly refreshMs: number;
  /**
   * A replica that owes an answer and is not heard for so long is asked whether it is there. One that works
   * answers that at once, however long its calls take: nobody is asked twice because he is busy.
   */
  readonly silentMs: number;
  /** It is silent when it has not answered that within so long: what it has is asked of another. */
  readonly answerMs: number;
  /** What a silent replica had goes to the others within so long, not all in one moment. */
  readonly spreadMs: number;
}

export const DEFAULT_EXCHANGE_CLIENT_LIMITS: ExchangeClientLimits = {
  warmUpCalls: 16,
  maxInFlight: 1_000,
  maxRequestBytes: 64 * 1024,
  maxAgeMs: 240_000,
  idleMs: 60_000,
  redialMs: 100,
  maxRedialMs: 5_000,
  leavingMs: 1_000,
  refusedMs: 60_000,
  refreshMs: 30_000,
  // Together well below the 5 s of the shortest deadlines, and longer than a collection of garbage.
  silentMs: 1_000,
  answerMs: 1_000,
  spreadMs: 200,
};
