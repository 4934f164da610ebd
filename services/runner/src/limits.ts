/**
 * Every bound of the runner, with its reason. Bounds that a request can meet are named by the error
 * that refuses it.
 */
export const LIMITS = {
  /** A heartbeat each third of the lease: two may be lost before anybody may take the key. */
  heartbeatsPerLease: 3,
  /** A chain of nested sends: deeper ones are loops in practice, and each hop holds a lane. */
  hopBudget: 8,
  /**
   * Sends and tasks that come of one request from outside, in whatever order, results and what comes of those
   * included: a list of some hundred tasks handed out one after another is work; more is a loop, or a tree
   * that doubles. A person's next message has as many again. Where the agent states none.
   */
  nestedTurnsPerRequest: 256,
  /** An agent may ask for more; each is a turn with a session of its own. */
  maxNestedTurnsPerRequest: 10_000,
  /** Waiting turns of a lane where the agent states none: minutes of work for any model. */
  waitingTurnsPerLane: 128,
  /** An agent may ask for more, up to what a page of a lane can still be told from. */
  maxWaitingTurnsPerLane: 10_000,
  /** Stands for no bound: results of subagents, which are as many as a session has sent. */
  unboundedTurns: 2 ** 31 - 1,
  /**
   * What came of a nested turn is told within this time, and once: delivery tries for a day and keeps for
   * 14 days more what somebody may redrive then.
   */
  childTurnsRetentionMs: 30 * 86_400_000,
  /** Replies that delivery refused for good, as it keeps dead letters. */
  refusedRepliesRetentionMs: 14 * 86_400_000,
  /**
   * Runs that came to nothing, a shutdown's not counted: a turn that three processes died of would kill the fourth.
   */
  runsPerTurn: 3,
  /** Shutdowns that count for nothing; a turn by which replicas seem dead, and are ended for it, must end too. */
  sparedRunsPerTurn: 30,
  /** After so many person turns one system turn is served, so that schedules do not starve. */
  personTurnsPerSystemTurn: 8,

  /** A request's messages; clients resend whole histories. */
  messagesPerRequest: 1_000,
  partsPerMessage: 256,
  /** Larger files are passed by URI: they would stand in every context. */
  fileBytes: 1024 * 1024,
  senderIdBytes: 256,
  /** Providers' event ids are far shorter; Stripe's customary bound for the header. */
  idempotencyKeyChars: 255,
  /** SHA-256; others may pass any digest up to this. */
  fingerprintBytes: 64,
  routeIdBytes: 128,
  sourceBytes: 100,
  rawKeyBytes: 1_024,
  externalIdBytes: 512,
  /** Sampling and tool schemas; larger ones would not fit a context anyway. */
  parametersBytes: 256 * 1024,
  noteChars: 500,
  /** As much of a model's name as session-identity takes. */
  modelNameBytes: 200,
  /** Of a tool that a model calls, and of the call's id: providers take 64. */
  toolNameChars: 256,
  /** Why a model ended, in its own words: OpenAI's have 14 at the most. */
  finishReasonChars: 64,
  /** No call of a model has a billion tokens; those of a turn's calls together stay far below int64. */
  maxTokensPerCall: 1_000_000_000,
  /** One event of a model's stream, or an answer that is none: an event has a token, or a call's arguments. */
  modelMessageBytes: 4 * 1024 * 1024,
  errorMessageChars: 500,

  /** An agent's prompt; it stands in every context. */
  systemPromptBytes: 64 * 1024,
  agentsPerTenant: 1_000,
  toolsPerAgent: 128,
  /** Tokens of context where the agent states none. */
  contextTokenBudget: 100_000,
  maxContextTokenBudget: 10_000_000,
  /** Characters of a token, on average, of English text with OpenAI's tokenizers. */
  charsPerToken: 4,
  /** A file's share of a context, in characters: pictures cost about a thousand tokens. */
  charsPerFile: 4_000,
  /** Messages read of a transcript in one statement. */
  transcriptPage: 256,
  /** And at least so many; a short one, on average, has so many characters. */
  smallTranscriptPage: 16,
  /** And so many bytes of them, with the message that goes over: what a request may bring four times. */
  transcriptPageBytes: 16 * 1024 * 1024,
  charsPerShortMessage: 64,
  /** Generations that a context reaches back through. */
  parentDepth: 64,
  /** Merged sessions that a replica remembers to have appended, 100 bytes each. */
  absorbedKnown: 10_000,

  /** Of the budget: below, compaction has room for its own call; above, contexts would be cut first. */
  compactAtPercent: 75,
  minCompactAtPercent: 10,
  maxCompactAtPercent: 95,
  /** Of the budget, what compaction leaves as it was said: the thread of the talk at hand. */
  keptVerbatimShare: 0.1,
  /** Of the budget, what a summary may take: with what is kept, contexts begin again well below full. */
  summaryShare: 0.15,

  mcpServersPerAgent: 16,
  /** A program with its arguments. */
  mcpCommandBytes: 16 * 1024,
  /** Connections of one replica, of all tenants; each stdio one is a process. */
  mcpConnections: 64,
  /** Starting a program takes seconds; a turn waits no longer for a server, and as long again for its tools. */
  mcpConnectMs: 10_000,
  /** A server that could not be reached is asked again after this long. */
  mcpRetryMs: 30_000,
  /** How old the list of tools of a server may be, which need not say when they change. */
  mcpToolsMs: 60_000,
  /** One message of a server: above what any call may answer. */
  mcpMessageBytes: 4 * 1024 * 1024,
  /** Of one thing that a server says on standard error. */
  mcpLogChars: 2_000,

  /** One call of an agent's tool where the agent states none: longer ones are jobs, not tools. */
  toolMs: 60_000,
  minToolMs: 1_000,
  maxToolMs: 3_600_000,
  /** What one call may answer: about 16,000 tokens, a good part of a context already. */
  toolOutputBytes: 64 * 1024,
  minToolOutputBytes: 1_024,
  maxToolOutputBytes: 1024 * 1024,
  /** Files that tools make for one answer: half of what delivery takes with it, in number and in bytes. */
  filesPerTurn: 32,
  fileBytesPerTurn: 2 * 1024 * 1024,
  /** Calls in a turn: a few to each call of the model. */
  toolStepsPerTurn: 64,
  maxToolStepsPerTurn: 1_000,

  /** One memory: a fact, not a document. */
  memoryChars: 8_000,
  /** Of an agent: past it search finds more than an agent can weigh. */
  memoriesPerAgent: 10_000,
  /** Of one search. */
  memoriesFound: 50,
  /** Pinned ones that stand in every context; of more the newest. */
  pinnedMemories: 50,
  /** And of a context's budget what they may take: the conversation is what it is for. */
  pinnedShare: 0.25,

  /** What says nothing for longer has failed; and a timer of some weeks would not wait at all. */
  maxModelSilenceMs: 3_600_000,
  /**
   * One call of the model, whatever it says: an endpoint that sends empty chunks for ever is never silent, and
   * would hold its lane. Twice the longest silence: who thinks for an hour has as long to speak.
   */
  modelCallMs: 7_200_000,
  /** An endpoint that is busy may ask for this long a wait: providers count by the minute. */
  modelRetryAfterMs: 60_000,
  /** Calls of the model within one run: an agent that has not answered by then goes in circles. */
  modelCallsPerRun: 16,
  /**
   * An answer: what the model says in all of a turn's calls, and its files; past it the model has lost its
   * way. Delivery takes no more of one reply.
   */
  replyBytes: 4 * 1024 * 1024,
  /** Turns that one replica runs at once, whoever's they are; each holds its context in memory. */
  activeRunsPerReplica: 512,
  /**
   * And so many more, of tenants that have few there: a slow model's turns are not taken back, so that what others
   * need at once is what nobody with many was given. A quarter as many: sixteen such tenants.
   */
  runsKeptForFew: 128,
  /** Few runs, or lanes that wait for one: some people who talk at once, or a small installation of bots. */
  fewOfTenant: 8,
  /** Lanes that wait for room on a full replica, some 100 bytes each; those beyond are found by sweeps. */
  passedOverLanes: 20_000,
  /** And so many more, of tenants that have few there. */
  passedOverKeptForFew: 5_000,
  /** Telling those attached of ends that came while the replica drained: who reads does so at once. */
  tellEndMs: 1_000,
  /** Giving turns back at the end of the process; below the 5 s that closing may take. */
  requeueMs: 3_000,
  /** Turns of one statement: beyond it a statement's length is felt more than the next one's round trip. */
  stepsPerStatement: 64,
  /** Of a pool's connections those that callers may have at once: each retry of each client asks for some. */
  callersShare: 5 / 8,
  /** As long as anybody waits for a connection. */
  callersWaitMs: 5_000,
  /** Steps of turns that wait for a statement; with a run or an attachment each, more cannot be. */
  stepsWaiting: 20_000,
  /** Statements of one kind at once: a second goes on where one waits for a lane that another replica locks. */
  stepsInFlight: 2,
  admissionsInFlight: 2,
  /** Attachments of one replica; each holds a stream, or a call that waits. */
  attachmentsPerReplica: 20_000,
  /** And so many more, of tenants that have few here; some callers wait for each run. */
  attachmentsKeptForFew: 4_000,
  fewAttachmentsOfTenant: 64,
  /** AwaitTurn waits no longer: its frame holds a place in a stream that others need. */
  maxAwaitMs: 10_000,

  /** What is said reaches the database in portions: at most so late, and so large. */
  streamFlushMs: 100,
  streamFlushBytes: 2_048,
  /** How often attachments look at a turn that runs elsewhere. */
  tailPollMs: 50,
  /** At a waiting turn, for each turn before it, none of which takes less; and how often at least. */
  tailPollMsPerTurn: 10,
  farTailPollMs: 1_000,
  /** Between two polls, however many attach meanwhile. */
  tailPauseMs: 5,
  /** Turns looked at in one poll. */
  tailPollBatch: 500,
  /** Rows of stored events that one poll reads of a turn. */
  tailPageRows: 200,
  /** How often a waiting caller is told of its position, at most. */
  positionMs: 1_000,
  /** What waiting callers of a lane are told together may be so old. */
  positionAgeMs: 500,
  /** How often a replica looks whether somebody asked to stop one of its turns. */
  stopPollMs: 200,
  /** A freed lane is left this long to the replica that has the head's caller. */
  preferenceMs: 250,

  /**
   * Statements a second of a replica without work and without callers, at most. A bound chosen to be
   * held, not a figure measured: its sweeps, each jittered down to half its pause, stay below it.
   */
  idleStatementsPerSecond: 20,
  /** Between two sweeps, jittered by half. */
  sweepMs: 1_000,
  /** Admissions whose answers were lost, of a replica: far more than callers ask for at once. */
  lostClaimsPerReplica: 1_000,
  /**
   * Between two looks whether delivery has given up answers of subagents, jittered by half; those that ended
   * more recently are on their way: nearly all are told within a second.
   */
  undeliveredLookMs: 60_000,
  /**
   * A subagent's key is asked after first a day after session-identity may let it go (its `mintedRetentionMs`), and
   * then once a day.
   */
  mintedLookMs: 31 * 86_400_000,
  mintedAgainMs: 86_400_000,
  /** Keys that are asked after at once, and how often in a sweep: 2 million a day. */
  mintedPageKeys: 100,
  mintedPages: 20,
  /** Rows of each kind that one sweep takes. */
  sweepBatch: 100,
  /** Between two removals of what is past its retention. */
  retentionSweepMs: 60_000,
  /** Rows that one statement takes away: some 50 ms of work. */
  retentionBatch: 5_000,
  /** Rows of a table that one statement looks at, where only some of what is old may go: some 50 ms too. */
  retentionWalkRows: 1_000,
  /** Such statements of a sweep: a table of 28 million rows is gone through in a day. */
  retentionWalkPages: 20,
  /**
   * What an agent saved in a turn that was rolled back or rotated away counts never again: a week for who
   * wants to know what it was.
   */
  discardedMemoriesRetentionMs: 7 * 86_400_000,
  /**
   * Conversations are kept for two days at least: requests are known for one, and what goes by a turn for
   * that long is removed before it.
   */
  minKeepConversationsDays: 2,
  maxKeepConversationsDays: 36_500,
  /** Between two looks at what is to be erased, jittered by half: delivery looks as often, and nobody waits. */
  erasuresLookMs: 10_000,
  /** Erasures of one answer, as many as session-identity gives. */
  erasuresPage: 100,
  /** And of one look, some ms each; the next goes on behind them. */
  erasuresPerLook: 1_000,
  /** Keys of an erasure that one statement looks at, and that one report takes. */
  erasureKeysPage: 1_000,
  /** Statements that take something away of one erasure in a look, some 50 ms each: others wait behind it. */
  erasureStatements: 100,
  /**
   * An ended turn is erased so much later: whoever follows it from another replica has seen its end, and the last
   * portion of what it said is stored.
   */
  erasedTurnRestMs: 5_000,
  /** Sessions that were just restored, forked or merged, some KiB each; more is an operator's script. */
  errandsWaiting: 1_000,
  /** How often the tables of conversations are measured: they grow by the hour. */
  storedBytesEveryMs: 300_000,
  /** A finished turn's events can be replayed for this long; its tool steps go with them. */
  eventsRetentionMs: 3_600_000,
  /** A repeated request joins its turn for this long, and at least until the turn is settled. */
  idempotencyRetentionMs: 86_400_000,
  /**
   * A retry without a key joins a turn that ended so long ago at most: the openai package comes back within a
   * minute of being cut off; the same words much later are said again.
   */
  retriesComeWithinMs: 600_000,
  /** The replica of a run that was rotated away ends its turn in this time, unless it is dead. */
  rotatedGraceMs: 500,
  /** After a reset under a run, BeginRun finds the key busy for moments only. */
  busyRetryMs: 100,
  maxBusyRetryMs: 2_000,

  /** A hand-over takes milliseconds; a delivery that takes longer is as good as away. */
  outboxTimeoutMs: 4_000,
  /** A claim of an outbox row: above the hand-over's bound, so that two rarely try the same. */
  outboxClaimMs: 5_000,
  /**
   * Replies of a lane that delivery does not have: it is away, or their route holds its 14,400. Ten replies a
   * minute for more than an hour and a half; then turns whose reply would join them are refused. Those
   * that were accepted before still answer, so that there may be as many more as turns wait.
   */
  unsentRepliesPerLane: 1_000,
  /** Of all lanes of a tenant: some GiB of long replies. Looked at so often, and met by as much late. */
  unsentRepliesPerTenant: 100_000,
  outboxLookMs: 5_000,
  /** Outbox rows of one statement; each has a whole reply. */
  outboxBatch: 32,

  /** A hint to people is repeated so often; Telegram shows "typing" for 5 s. */
  progressEveryMs: 4_500,
  /** Nobody waits for a hint; one that takes longer is as good as lost. */
  progressMs: 2_000,
  /** Routes of waiting turns that are told of at once; most lanes have one or two. */
  progressWaiting: 8,
  outboxBackoff: { baseMs: 200, maxMs: 30_000 },
  /** Parts of a reply that delivery takes. */
  partsPerDelivery: 64,

  /** Of messages or turns in a page; with the one that goes over it (4 MiB) it stays below the 16 MiB that callers take. */
  pageBytes: 8 * 1024 * 1024,
  /** Messages of an export that one statement reads, and what is sent in one part of it. */
  exportPage: 100,
  exportPartChars: 256 * 1024,

  /** How often the lanes are looked at while somebody watches them; what a change is late by. */
  laneWatchPollMs: 250,
  /** Between two looks this many times what the last one took: at most a fifth of one connection. */
  laneWatchRestFactor: 4,
  /** Lanes that one statement of a look reads. */
  laneWatchPage: 1_000,
  /** Lanes with work that are watched at once, about 500 bytes each. */
  watchedLanes: 100_000,
  /** Changed lanes that a watcher has not read; past it SLOW_CONSUMER. */
  watchedLanesPending: 10_000,
  /** Waiting turns that are shown of a lane. */
  watchedTurnsPerLane: 128,
  /** Operators and the fan-out of each delivery replica; each holds a stream. */
  laneWatchersPerReplica: 200,
  /** Proxies cut silent streams off after a minute or less. */
  watchBookmarkMs: 15_000,

  /** Turns of a session that are compared with what a client resends. */
  rememberedTurns: 32,
  /** Messages that one turn may collect by coalescing. */
  messagesPerTurn: 1_000,
  /** And bytes of them, as they are stored: as many as one request may bring. */
  inputBytesPerTurn: 4 * 1024 * 1024,
  /** A message joins the last waiting turn if that is not older than this, where nobody says otherwise. */
  coalesceDebounceMs: 10_000,
  /** Messages an hour apart are no burst any more. */
  maxDebounceMs: 3_600_000,
  /** A hint after an hour tells nobody anything. */
  maxBusyHintMs: 3_600_000,
  /** A bound on concurrent runs that no installation reaches. */
  maxConcurrentRuns: 1_000_000,
  /** Messages handed to one active turn; each costs the model another step. */
  steersPerTurn: 32,
  /**
   * A turn of a group waits so long for the next: the files of an album come within milliseconds, each after
   * it was fetched. All of an album's answers come so much later.
   */
  groupQuietMs: 1_000,
  /** As its door may ask for, which fetches a file for 5 s at most: longer, and all who wait behind it wait too long. */
  maxGroupQuietMs: 10_000,
  /** Under a bound on concurrent runs: lanes that one look for the next ones finds. */
  boundedPick: 16,
  /** A bound that was reached is not asked for again so soon, unless a slot is freed here. */
  fullScopeMs: 100,
  /** How often a run that waited asks for its slot. */
  reclaimPollMs: 50,
  /** How often who waits for a nested turn looks whether a merge has led it into a cycle; one row by its key. */
  movedWaitCheckMs: 1_000,
  /** A nested send waits at most this long unless it says otherwise. */
  nestedWaitMs: 120_000,
} as const;
