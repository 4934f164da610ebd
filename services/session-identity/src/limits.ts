/** Every bound of this service, with its reason. Units stand last in the names. */
export const LIMITS = {
  /** Below 1 s a garbage collection pause loses the lease; past 5 min a dead run holds its key too long. */
  minLeaseMs: 1_000,
  maxLeaseMs: 300_000,

  /** A page that a person reads. */
  defaultPageSize: 50,
  /** A page that fits a message of 4 MiB with room: the longest keys and errors make about 4 KiB a row. */
  maxPageSize: 500,
  /** The journal's rows beside the rest of an explanation. */
  maxExplainPageSize: 200,
  /** Who stood under a key, in an explanation; the rest is ListRotations'. */
  maxExplainRotations: 50,

  /** Why somebody rotated or merged: a sentence or two. */
  maxNoteChars: 500,
  /** A run's error, for people. */
  maxErrorChars: 500,
  maxRequestIdChars: 128,
  /** Turn and delivery ids: room for a UUID with a prefix and a number. */
  maxIdChars: 128,
  maxModelBytes: 200,
  maxPhaseBytes: 200,
  maxSourceBytes: 100,
  maxProviderIdBytes: 1_000,
  maxPrefixBytes: 1_024,
  /** A tenant's name stands in every row and index entry. */
  maxTenantBytes: 128,
  /** A tenant's agents: each is a row to read when its policies change. */
  maxPolicies: 1_000,
  /** Less would roll over a person who is still typing; a year is never. */
  minIdleMs: 1_000,
  maxIdleMs: 366 * 86_400_000,

  /** Names and keys are kept for ever, so a tenant may hold only so many of each. */
  maxKeysPerTenant: 10_000_000,
  /** What a caller over quota is told to wait: somebody has to act first. */
  quotaRetryMs: 60_000,

  /**
   * Keys that the system minted, counted from their last use: as long as anything is known that names one (runs,
   * replies and their attempts, outcomes that a parent is told of).
   */
  mintedRetentionMs: 30 * 86_400_000,
  /** A key whose id was minted longer ago may have gone, so it is not made: a day less, for clocks that differ. */
  mintedMaxAgeMs: 29 * 86_400_000,
  /** Who was told of a minted key's session has so long to come back with it. */
  mintedGraceMs: 86_400_000,
  /** Minted keys that one transaction looks at: their rows are locked for some 50 ms. */
  mintedPageRows: 500,

  /**
   * No call lasts longer than this, so what had read a key before its erasure began has stored what it brings:
   * ingress' longest request that admits a turn, a relay's, a channel's.
   */
  erasureSettleMs: 300_000,
  /** Erasures of a tenant at the same time: each is read every ten seconds by each runner and delivery. */
  maxErasuresUnderWay: 1_000,
  /** Keys of one: its own, at most a thousand that lead to it, and of tasks that were given away. Some 2 MiB. */
  maxErasedKeys: 11_000,
  /** Keys of tasks in one report, and erasures in one answer, whose keys take at most so many bytes together. */
  maxReportedKeys: 1_000,
  maxErasuresToDo: 100,
  maxErasuresBytes: 2 * 1_048_576,
  /** Erasures that a replica ends in one go, and how often it looks for some. */
  erasuresAtOnce: 100,
  endErasuresEveryMs: 10_000,
  /** An audit asks what was erased in the last year. */
  erasureRetentionMs: 400 * 86_400_000,

  /** Calls of one commit. Past a few hundred the statement takes longer than the commit it saves. */
  maxBatch: 256,
  /** Commits in flight of one replica: one waits for the disk while the next takes its locks. */
  batchConcurrency: 3,
  /** Calls that wait for a commit; at 5,000 a second these wait two seconds. */
  maxWaiting: 10_000,
  /**
   * Reads of one statement, and statements of reads in flight. Larger ones save nothing, and while all
   * callers wait for one the service has nothing to do.
   */
  maxReadBatch: 32,
  readConcurrency: 3,

  /** Keys that a replica remembers as it wrote them: some 2 KiB each, for the conversations of a few minutes. */
  maxKnownKeys: 5_000,
  /**
   * How far the database's clock may be from where a decision by memory took it to be; well under the shortest
   * lease, and more than a busy server takes to begin with a statement.
   */
  knownClockMs: 200,

  /** Repeats of a look-up that lost to a concurrent change of the name; each loss needs another change. */
  resolveAttempts: 8,

  /** Journal, runs, settled replies. */
  journalRetentionMs: 30 * 86_400_000,
  /** Recorded answers to lifecycle writes: a writer repeats within minutes, an operator's redrive within days. */
  eventRetentionMs: 3 * 86_400_000,
  /** Request ids with their answers. */
  requestRetentionMs: 24 * 3_600_000,
  /** A run id minted longer ago than this may have begun and been forgotten, so it may not begin. */
  runIdMaxAgeMs: 29 * 86_400_000,
  /** The feed: a watcher that was away longer starts from a snapshot. */
  changeRetentionMs: 3_600_000,
  /** Changes are kept so much longer than tokens live, for transactions that were under way for long. */
  changeMarginMs: 900_000,
  /** Well below the margin above; each time costs a look at every table's oldest rows. */
  sweepEveryMs: 300_000,
  /** How soon the planner is told of tables that have outgrown its knowledge: one look at a catalogue. */
  statisticsEveryMs: 1_000,
  /** Rows that one statement takes away: some 50 ms of work. */
  sweepRows: 10_000,
  /** Statements of one table in one sweep: 2 million rows keep up with 6,000 writes a second. */
  sweepRounds: 200,

  /** A merge of two sessions of one person that began within minutes is no conflict but a race. */
  youngSessionMs: 600_000,
  /** Sessions that a key remembers to have absorbed so: as many as a peer has spellings. */
  maxAbsorbed: 100,
  /** Sessions under aliases of one key that a merge re-points; more is an operator's script. */
  maxAliasesPerKey: 1_000,
  /** Threads of a peer that a link or an equivalence takes along at once, the last used first; the rest soon after. */
  maxThreadsPerPeer: 200,
  /** Acts whose threads are carried together; a process that died has left one or two. */
  carriesAtOnce: 100,
  /** How often it is looked whether any were left, and how long a run may hold one up before. */
  carryEveryMs: 10_000,
  /** No turn lasts longer; what a run holds until then is for an operator to merge. */
  carryThreadsForMs: 86_400_000,
  /** Spellings of one peer. */
  maxSpellingsPerPeer: 100,

  /** last_seen is written at most so often per name. */
  lastSeenEveryMs: 3_600_000,
  /** Names whose last_seen waits to be written; more are left for their next use. */
  maxLastSeenWaiting: 10_000,
  lastSeenFlushMs: 10_000,

  /** A change made elsewhere is seen after at most this; one statement by primary index each time. */
  watchPollMs: 100,
  /** After a commit of our own the next poll comes at once, but not more often than this. */
  watchMinPollMs: 20,
  /** Proxies close a silent stream after 60 s at the earliest. */
  bookmarkEveryMs: 15_000,
  /** Twenty a second show a follower how far the feed is; more is noise. */
  minBookmarkMs: 50,
  /** Messages that a subscriber may leave unread. */
  maxSubscriberBuffer: 5_000,
  maxSubscribers: 1_000,
  watchPageRows: 500,

  /** Statements of an operator's RaiseFences touch every key. */
  raiseTimeoutMs: 3_600_000,
  /** What generation and epoch are lifted by: more than any history that was lost can hold. */
  fenceLift: 2n ** 32n,
  /**
   * How far a runner's clock may be ahead of the database's when fences are raised: what a lost run's id was
   * minted for is before then. Twice what Kerberos lets clocks differ by. Nobody waits for it: a runner that
   * is refused mints for that time.
   */
  runClockAheadMs: 600_000,
} as const;
