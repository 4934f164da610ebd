const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 * 1024;

/** Every bound of delivery, with its reason. Durations in milliseconds. */
export const LIMITS = {
  /** People, channels and hooks that one conversation answers to; more is a loop that registers. */
  routesPerKey: 100,
  /** As long as replies are remembered: a place without any that nobody spoke from either gives way to a new one. */
  silentRouteMs: 30 * DAY_MS,
  /** A subagent's key is asked after first a day after session-identity may let it go, and then once a day. */
  lookAtKeyMs: 31 * DAY_MS,
  lookAgainMs: DAY_MS,
  /** Keys that are asked after at once. */
  keysLookedAt: 100,
  /** What common servers and proxies take as a request line, with room to spare. */
  addressBytes: 2_048,
  /** A change a day for more than two years; who registers a new source each time loses the oldest. */
  changesPerRoute: 1_000,
  /** Routes that are moved in one transaction, each a row and a line of its history: some ten milliseconds. */
  routesPerMove: 500,
  noteChars: 500,
  /** A tenant with a workspace for each of its customers. */
  accountsPerTenant: 1_000,
  tokenEnvChars: 128,
  /** An old signing secret signs so long beside the new one where nothing else is said, and at most. */
  keepOldSecretMs: DAY_MS,
  /** Old secrets that sign at once, each 47 bytes of a header: a rotation a day, kept for a week. */
  oldSecrets: 8,
  maxKeepOldSecretMs: 30 * DAY_MS,
  /** Shown with a delivery. */
  attemptsShown: 100,
  actsShown: 100,
  accountIdBytes: 256,
  threadIdBytes: 512,
  sourceBytes: 100,

  /** "<turn_id>/<n>": a UUID, a slash and a number, with room for other callers. */
  requestIdChars: 128,
  turnIdChars: 128,
  /** As the runner's reply has them. */
  partsPerDelivery: 64,
  /** The runner's bound of a reply, all parts together. */
  replyBytes: 4 * MIB,
  /** The reply and what stands around it. */
  requestBytes: 4 * MIB + 256 * 1024,
  /** Calls on one connection: ingress has one for each replica, and all its subscribers on it. */
  streamsPerConnection: 10_000,
  /** Larger files are passed by URI. */
  fileBytes: MIB,
  /** A data URI of the largest file: base64 takes 4 characters for 3 bytes. */
  fileUriBytes: MIB + MIB / 2,
  mediaTypeBytes: 255,
  fileNameBytes: 255,
  /** A reply is of use to somebody who asked; a day later it is a surprise. */
  expireMs: DAY_MS,
  /** As long as a dead letter is kept: what is tried longer would be forgotten before it ends. */
  maxExpireMs: 14 * DAY_MS,
  /** Replies that wait on a route: a receiver that is away for a day, and ten replies a minute. */
  waitingPerRoute: 14_400,
  /** How soon a reply that found its route full is handed over again. */
  fullRetryMs: 10 * SECOND_MS,
  errorChars: 500,
  pageSize: 50,
  maxPageSize: 500,
  /** Of replies in a page; with the one that goes over it (4 MiB) it stays below the 16 MiB that callers take. */
  pageBytes: 8 * MIB,

  /** Sends of one replica at once; each holds a socket and a reply. */
  sendsPerReplica: 256,
  /** Of one tenant: the rest is for those who come while its receivers are slow. */
  sendsPerTenant: 192,
  /** Routes claimed in one transaction. */
  claimBatch: 64,
  /** Replies of one route sent one after another before the routes that are due have their turn. */
  sendsInARow: 16,
  /** A route whose receiver is slow lets others have their turn sooner. */
  sendingOnMs: 5 * SECOND_MS,
  /** Replies of one transaction, those that wait for one, and transactions of a kind in flight. */
  stepsPerStatement: 128,
  stepsWaiting: 10_000,
  stepsInFlight: 2,
  /** An idle replica asks the database so often at most; a local enqueue is sent at once. */
  pollMs: SECOND_MS,
  /** Resolving, connecting and the fence (5 s each at most), the post (10 s), telling, and a margin for writing. */
  leaseMs: 30 * SECOND_MS,
  /** Resolving the name and opening the connection. */
  connectMs: 5 * SECOND_MS,
  /**
   * A connection to a receiver is kept so long for the next post, and so many are. Servers keep theirs
   * 5 s and longer (Node's 5, nginx' 75, Apache's 5): one that is closed under a post leaves it "perhaps sent".
   */
  keptConnectionMs: SECOND_MS,
  keptConnections: 256,
  /** An accepted `sending` that is older than this is shown again before the first byte. */
  fenceMs: 5 * SECOND_MS,
  /** `lanekeeper fence raise` lifts every generation by this; no rotation does (session-identity's `fenceLift`). */
  fenceLift: 2n ** 32n,
  /** From the first byte to the end of the answer. Standard Webhooks asks receivers for 15 s at most. */
  postMs: 10 * SECOND_MS,
  /** Telling session-identity what became of an attempt, while the route waits; else it is told later. */
  settleMs: 2 * SECOND_MS,
  /** An answer of a platform's API: a page of 200 messages with their metadata is the largest. */
  apiResponseBytes: 2 * MIB,
  /** What a piece needs before it can be sent, such as an upload; the claim must outlive it. */
  preparationMs: 12 * SECOND_MS,
  /** Slack cuts longer texts in its clients: https://docs.slack.dev/reference/methods/chat.postMessage */
  slackTextChars: 4_000,
  /** Pages of 200 messages that are looked through for one that may have arrived. */
  slackLookUpPages: 5,
  /** https://core.telegram.org/bots/api#sendmessage, in UTF-16 units as Telegram counts. */
  telegramTextChars: 4_096,
  /** A message a second in a chat, 20 a minute in a group: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this */
  telegramPace: { directMs: SECOND_MS, groupMs: 3 * SECOND_MS },
  /** A send waits so long for its turn in the chat; what has to wait longer is put back. */
  paceWaitMs: 3 * SECOND_MS,
  /** A parent's turn is accepted in one transaction of the runner. */
  submitMs: 5 * SECOND_MS,

  /** Telegram shows "typing" for 5 s, and hints come with each heartbeat of a run. */
  hintEveryMs: 4 * SECOND_MS,
  /** A hint that takes longer is late. */
  hintMs: 3 * SECOND_MS,
  /** Hints that one replica shows at once; more are dropped. */
  hintsAtOnce: 16,
  /** A place that refuses hints is left alone for so long. */
  hintMuteMs: 10 * MINUTE_MS,
  /** Places whose last hint is remembered. */
  hintPlaces: 10_000,

  /** Of an answer only the first words are kept for people; the rest is not read. */
  responseBytes: 4 * 1024,

  /** The first pause is drawn from 0 to this; it doubles up to the longest. */
  retryBackoff: { baseMs: SECOND_MS, maxMs: 5 * MINUTE_MS },
  /** While session-identity is away; its restart takes seconds. */
  fenceBackoff: { baseMs: 200, maxMs: 10 * SECOND_MS },
  /** A Retry-After is honoured up to this: a receiver's mistake must not silence its route for days. */
  retryAfterMs: HOUR_MS,

  /** Outcomes that could not be told to session-identity at once are told again so often. */
  reportSweepMs: 5 * SECOND_MS,
  reportBatch: 100,
  /** How often the backlog is measured, and how many rows are looked at for it. */
  backlogMs: 15 * SECOND_MS,
  backlogRows: 10_000,

  /** How soon the planner is told of tables that have outgrown its knowledge: one look at a catalogue. */
  statisticsEveryMs: SECOND_MS,
  /** Who asked to be forgotten waits; what is left is told after five minutes, so a look costs little beside. */
  erasureSweepMs: 10 * SECOND_MS,
  /** What session-identity gives at once, and so many in one look; the next look goes on from there. */
  erasuresPerPage: 100,
  erasuresPerSweep: 1_000,
  /** Replies, or keys, of a statement: some ten milliseconds under the locks of the routes. */
  erasedPerStatement: 500,
  /**
   * Whoever comes back marks the key at session-identity and registers its route then. So long before an erasure was
   * read a call may have begun that has registered a route and did not mark the key.
   */
  comesBackMs: MINUTE_MS,
  retentionSweepMs: 10 * MINUTE_MS,
  retentionBatch: 5_000,
  deadLetterRetentionMs: 14 * DAY_MS,
  deliveryRetentionMs: 30 * DAY_MS,
  attemptRetentionMs: 30 * DAY_MS,

  /** Subscribers of one replica; each holds a stream and a queue, some 40 KiB while it keeps up. */
  subscribers: 5_000,
  /**
   * What a subscriber may leave unread: 25 s of 200 changes a second. Subscribers who want the same
   * change share it, so only those with filters of their own add up.
   */
  subscriberMessages: 5_000,
  subscriberBytes: 4 * MIB,
  /** Proxies close a silent stream after 60 s at the earliest. */
  bookmarkMs: 15 * SECOND_MS,
  /** Subscribers who read at session-identity at once; each page there is a statement beside the turns'. */
  readsAtOnce: 32,
  /** Such a reader that takes longer over what it is told lets others go first. */
  readerPatienceMs: SECOND_MS,
  /** How far the feed is, is asked to be told so often: how long a subscriber waits to join at most. */
  followBookmarkMs: 250,
  /** A feed is let go so long after its last subscriber; one who reconnects finds it. */
  watchLingerMs: 30 * SECOND_MS,
  /** Subscribers' streams outlive so long an absence of an upstream: a restart, a failover. */
  watchOutageMs: 30 * SECOND_MS,
  watchBackoff: { baseMs: 100, maxMs: 2 * SECOND_MS },
} as const;

type Widen<T> = { readonly [K in keyof T]: T[K] extends number ? number : Widen<T[K]> };

/** The bounds as a process keeps them; tests shorten some. */
export type Limits = Widen<typeof LIMITS>;

/** The bounds for a claim of another length: what has to fit into it keeps its share. */
export function limitsForLease(leaseMs: number): Limits {
  const share = (ms: number): number => Math.floor((ms * leaseMs) / LIMITS.leaseMs);
  const { connectMs, fenceMs, postMs, settleMs, preparationMs, submitMs } = LIMITS;
  return {
    ...LIMITS,
    leaseMs,
    connectMs: share(connectMs),
    fenceMs: share(fenceMs),
    postMs: share(postMs),
    settleMs: share(settleMs),
    preparationMs: share(preparationMs),
    submitMs: share(submitMs),
  };
}
