import { DEFAULT_SERVE_LIMITS } from "@lanekeeper/rpc";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const MIB = 1024 * 1024;

/** Every bound of ingress. Durations in milliseconds. */
export interface IngressLimits {
  /** One request body; more is PAYLOAD_TOO_LARGE. */
  readonly maxBodyBytes: number;
  /** Bodies being read, over all connections; more is RATE_LIMITED. */
  readonly maxBodyBytesInFlight: number;
  /** Nesting of a JSON body. */
  readonly maxJsonDepth: number;
  /** Messages that a request may show; more is INVALID_REQUEST. */
  readonly maxShownMessages: number;
  /** Responses whose items a request may name by their ids; more is INVALID_REQUEST. */
  readonly maxReferredResponses: number;
  /** Of shown messages those that go on to the runner: of a longer history the oldest are left out. */
  readonly maxMessages: number;
  /** A turn as it goes on to the runner, messages and parameters; the same. */
  readonly maxTurnBytes: number;
  readonly maxPartsPerMessage: number;
  readonly maxParametersBytes: number;
  readonly maxHeaderBytes: number;
  /** Of the HTTP port, and of the gRPC port as many; one more is closed at once. */
  readonly maxConnections: number;
  /**
   * Requests being answered, over all connections; one more is RATE_LIMITED, and of a tenant that has more than its
   * share (`fair-share.ts`) it is so before.
   */
  readonly maxRequestsInFlight: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the end of its body. */
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** How often the two timeouts above are checked. */
  readonly timeoutCheckMs: number;
  /** How long a turn's acceptance is tried for before the caller is told to ask again. */
  readonly admissionTimeoutMs: number;
  /** Submissions that are remembered whose acceptance is not known, and for how long. */
  readonly unsureSubmissions: number;
  readonly unsureSubmissionsMs: number;
  /** How long a replica may take to say `accepted` before another is asked. */
  readonly attachAttemptMs: number;
  /** How long a plain request's turn is waited for in the call that submits it; then it is attached to. */
  readonly awaitMs: number;
  /** How long a plain request waits for its answer; then WAIT_EXPIRED. */
  readonly plainWaitMs: number;
  /** How long a stream of an accepted turn may stay broken; then WAIT_EXPIRED. */
  readonly reattachTimeoutMs: number;
  /** The first and the longest pause between two attempts to attach. */
  readonly reattachBackoffMs: { readonly first: number; readonly longest: number };
  /** How long the cancelling of a response waits for its run to end. */
  readonly cancelWaitMs: number;
  /** A comment is written on a stream after this silence. */
  readonly pingIntervalMs: number;
  /** How long a stream's reader may leave what was written unread; then its connection is cut. */
  readonly slowReaderMs: number;
  /** A credential is looked up again after this. */
  readonly credentialFreshMs: number;
  /** For this long a known credential is believed while the database cannot be reached. */
  readonly credentialStaleMs: number;
  /** A stream of events looks so often whether its credential is still good. */
  readonly streamCredentialMs: number;
  readonly maxCachedCredentials: number;
  /** Limited keys and tenants whose requests are counted at once. */
  readonly maxRateBuckets: number;
  /** The last use of keys is written so often. */
  readonly lastUseFlushMs: number;
  /** Of one tenant, without those that have ended. */
  readonly maxKeysPerTenant: number;
  /** Of one tenant, those that have ended and are still listed; of more the oldest are forgotten. */
  readonly maxEndedKeysPerTenant: number;
  /** A key that has ended is listed for so long. */
  readonly endedKeyRetentionMs: number;
  /** A tenant's agents are asked for again after this. */
  readonly agentsFreshMs: number;
  /** An agent that is not among them makes the question be asked again, but no sooner than this: who comes before waits. */
  readonly agentsRecheckMs: number;
  readonly maxCachedTenants: number;
  /** A tenant's settings are read again after this. */
  readonly settingsFreshMs: number;
  /** One post to a channel's path; more is PAYLOAD_TOO_LARGE. */
  readonly maxEventBytes: number;
  /** Of all posts to channels' paths that are being read; one more is RATE_LIMITED. */
  readonly maxEventBytesInFlight: number;
  /** A channel's accounts are looked up again after this. */
  readonly channelAccountsFreshMs: number;
  readonly maxCachedChannelAccounts: number;
  /** How long a replica that asks for an account's updates is the only one without renewing. */
  readonly pollLeaseMs: number;
  /** How long Telegram holds a request for updates where there are none. */
  readonly pollWaitMs: number;
  /** The first and the longest pause after updates could not be had, or one of them not be taken. */
  readonly pollBackoffMs: { readonly first: number; readonly longest: number };
  /** An update that cannot be taken for a reason of its own is given up after so many attempts. */
  readonly maxUpdateAttempts: number;
  /** Files of one album. */
  readonly albumFiles: number;
  /** Updates from an album's first on that are read before it is taken, and so many at once. */
  readonly albumUpdates: number;
  readonly albumReadsAtOnce: number;
  /** Where no file of an album has come for so long, it is whole; it is waited for no longer than this. */
  readonly albumQuietMs: number;
  readonly albumWaitMs: number;
  /** Accounts that are polled are looked for so often. */
  readonly pollRefreshMs: number;
  /** Entries of the request log that wait to be written; more are counted and dropped, shared in the same way. */
  readonly maxBufferedRequests: number;
  readonly requestLogBatchSize: number;
  readonly requestLogFlushMs: number;
  readonly requestLogRetentionMs: number;
  readonly retentionSweepMs: number;
  readonly retentionBatchSize: number;
  /** Schedules of a tenant; one more is QUOTA. */
  readonly maxSchedules: number;
  /** What a schedule's turn is told, in UTF-8. */
  readonly maxScheduleMessageBytes: number;
  /** How often each replica looks for schedules whose time has come. */
  readonly scheduleTickMs: number;
  /** Schedules that one look takes. */
  readonly scheduleBatch: number;
  /** How long a schedule that was taken is left to its replica. */
  readonly scheduleLeaseMs: number;
  /** How long the acceptance of a schedule's turn is tried for. */
  readonly scheduleAttemptMs: number;
  /** How long until a run that nobody answered is tried again. */
  readonly scheduleRetryMs: number;
  /** Up to this, a due time is run late like any other; above it only the latest missed one is. */
  readonly scheduleLateMs: number;
  /** A missed time that is older is not run any more. */
  readonly scheduleCatchUpMs: number;
}

export const DEFAULT_LIMITS: IngressLimits = {
  // A few pictures as data URIs; above it a file belongs behind a URL.
  maxBodyBytes: 8 * MIB,
  // 32 bodies of the largest size, far more of the usual one, in a heap of Node's default size.
  maxBodyBytesInFlight: 256 * MIB,
  // google.protobuf.Struct takes two levels of the 100 that protobuf decoders follow for each of
  // these; a JSON schema of 10 nested objects, the most that OpenAI takes, needs about 30.
  maxJsonDepth: 40,
  // Ten times what goes on: months of a chat that resends all. Judging them takes some 50 ms.
  maxShownMessages: 10_000,
  // Each is read from the runner before the turn is asked for: 16 round trips of 16.
  maxReferredResponses: 256,
  // As the runner's SubmitTurnRequest has them.
  maxMessages: 1_000,
  maxTurnBytes: DEFAULT_SERVE_LIMITS.maxRequestBytes,
  maxPartsPerMessage: 256,
  maxParametersBytes: 256 * 1024,
  // Node's own default; a key of 1,024 bytes is 3 KiB when each byte is percent-encoded.
  maxHeaderBytes: 16 * 1024,
  // A waiting caller holds a connection: lanes of many callers need thousands. Each is about 20 KiB.
  maxConnections: 10_000,
  maxRequestsInFlight: 10_000,
  headersTimeoutMs: 15 * SECOND_MS,
  // The largest body at 140 KiB/s.
  requestTimeoutMs: MINUTE_MS,
  // Above the 60 s after which common load balancers close an idle connection, so that they close
  // first and never send a request into a connection that is just being closed here.
  keepAliveTimeoutMs: 75 * SECOND_MS,
  timeoutCheckMs: 5 * SECOND_MS,
  // Covers a restart of the runner or of the database; a client's own timeout is minutes.
  admissionTimeoutMs: 15 * SECOND_MS,
  // Some hundred bytes each; clients give up within minutes (the openai package retries twice, within seconds).
  unsureSubmissions: 10_000,
  unsureSubmissionsMs: 600 * SECOND_MS,
  // Admission is one transaction of a few milliseconds; this much is a replica that hangs.
  attachAttemptMs: 5 * SECOND_MS,
  // One call instead of a stream where the answer is short work; a model that takes longer hides what a
  // second call costs.
  awaitMs: SECOND_MS,
  // Common HTTP clients give up after 5 minutes of silence (undici's headersTimeout is 300 s).
  plainWaitMs: 240 * SECOND_MS,
  // A replica that died is replaced by another after a lease (15 s) and a sweep.
  reattachTimeoutMs: MINUTE_MS,
  reattachBackoffMs: { first: 50, longest: 2 * SECOND_MS },
  // A run's end is a few milliseconds away; a replica that is gone is not waited for.
  cancelWaitMs: 5 * SECOND_MS,
  pingIntervalMs: 10 * SECOND_MS,
  slowReaderMs: MINUTE_MS,
  // How long a revoked key may go on working. A key in use is one look-up by an index each 5 s.
  credentialFreshMs: 5 * SECOND_MS,
  credentialStaleMs: 15 * MINUTE_MS,
  // With the 5 s above, a stream ends within 10 s of the revocation. 5,000 streams of as many keys are
  // 1,000 look-ups a second; of one key one in 5 s.
  streamCredentialMs: 5 * SECOND_MS,
  // About 1 KiB each.
  maxCachedCredentials: 10_000,
  // About 100 bytes each; those that are full again are forgotten.
  maxRateBuckets: 20_000,
  lastUseFlushMs: MINUTE_MS,
  // One for each of a large customer's customers.
  maxKeysPerTenant: 10_000,
  maxEndedKeysPerTenant: 10_000,
  endedKeyRetentionMs: 90 * 24 * 60 * MINUTE_MS,
  agentsFreshMs: 5 * SECOND_MS,
  agentsRecheckMs: 500,
  maxCachedTenants: 1_000,
  settingsFreshMs: 5 * SECOND_MS,
  // Two files of 1 MiB in base64; platforms' own events are a few KiB.
  maxEventBytes: 4 * MIB,
  // 16 of the largest, which show whose they are once they are read whole: apart from those of known keys, so
  // that nobody without a key can take up the room of all.
  maxEventBytesInFlight: 64 * MIB,
  channelAccountsFreshMs: 5 * SECOND_MS,
  // About 1 KiB each; names that nobody has count too.
  maxCachedChannelAccounts: 10_000,
  // As long as a run's lease: a bot is silent for so long when the replica that asked was killed.
  pollLeaseMs: 15 * SECOND_MS,
  // With half of it on top for a request that hangs, still within the lease.
  pollWaitMs: 8 * SECOND_MS,
  pollBackoffMs: { first: 250, longest: 10 * SECOND_MS },
  // With the pauses about two minutes: a run that holds a conversation is mostly over by then.
  maxUpdateAttempts: 20,
  // https://core.telegram.org/bots/api#sendmediagroup
  albumFiles: 10,
  // The album, and as much of what others say meanwhile: with its file 1 MiB each.
  albumUpdates: 20,
  // An album at once: two rounds of the longest fetch (5 s) are well within the lease, three would not be.
  albumReadsAtOnce: 10,
  // Telegram sends them at once, tens of milliseconds apart: others wait for so little of an album.
  albumQuietMs: 300,
  // No look for more begins later: the longest fetch may come on top.
  albumWaitMs: 5 * SECOND_MS,
  pollRefreshMs: 5 * SECOND_MS,
  // About 1 KiB each: 10 s of 1,000 requests/s while the database restarts.
  maxBufferedRequests: 10_000,
  requestLogBatchSize: 500,
  requestLogFlushMs: 250,
  requestLogRetentionMs: 30 * 24 * 60 * MINUTE_MS,
  retentionSweepMs: 10 * MINUTE_MS,
  retentionBatchSize: 5_000,
  // One for each thing that a team wants done regularly; a bound on what a runaway script can make.
  maxSchedules: 100,
  // A page of instructions with room to spare; data belongs behind a tool.
  maxScheduleMessageBytes: 32 * 1024,
  // Cron's resolution is a minute.
  scheduleTickMs: SECOND_MS,
  // All at once: 20 admissions are a few milliseconds each.
  scheduleBatch: 20,
  // Twice an attempt: a replica that lives has given its claim back before.
  scheduleLeaseMs: 30 * SECOND_MS,
  scheduleAttemptMs: 15 * SECOND_MS,
  scheduleRetryMs: 5 * SECOND_MS,
  // A restart of everything with migrations; what is down for longer has missed its runs.
  scheduleLateMs: 5 * MINUTE_MS,
  // Half of the 24 h for which the runner keeps idempotency keys at least: a run that was accepted
  // right before everything stopped is still recognized, and not doubled.
  scheduleCatchUpMs: 12 * 60 * MINUTE_MS,
};
