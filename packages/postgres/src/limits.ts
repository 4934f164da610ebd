/** Every bound of this package, with its reason. Units stand last in the names. */
export const LIMITS = {
  /** Waiting for a connection, free or new: a caller with a deadline is better told soon. */
  acquireTimeoutMs: 5_000,
  /**
   * Connecting, whoever waits for it. Three times as long: what starves for CPU time takes long to connect, and would
   * never have a connection if each attempt were given up with who asked for it, and begun anew for who asks next.
   */
  connectTimeoutMs: 15_000,
  /** Below the 15 s of a lease: a statement that outlives the lease helps nobody. */
  statementTimeoutMs: 10_000,
  /** A third of a lease. An open transaction holds locks on keys; a stalled process must let go. */
  idleInTransactionTimeoutMs: 5_000,
  /** For a server or network that answers nothing at all: the statement's own time, and a margin. */
  answerTimeoutMs: 12_000,
  /** Idle connections are kept through lulls; connecting costs a fork and a SCRAM exchange, about 5 ms. */
  idleConnectionMs: 60_000,
  /** Renewed, with their prepared statements and the server's caches, so that load follows a failover. */
  connectionLifetimeSeconds: 1_800,
  /** Below the 60 to 350 s after which NAT and load balancers forget a silent connection. */
  keepAliveDelayMs: 10_000,
  /** Transactions that met a deadlock begin again; the fifth in a row has another cause. */
  transactionAttempts: 5,
  /** The first pause before such a repeat; it doubles, with jitter. */
  retryPauseMs: 10,
  /** Another migration may be running; a minute is longer than any that works beside a live service. */
  migrationLockTimeoutMs: 60_000,
  /** A DDL statement that waits for a lock holds up everybody behind it; better to fail and repeat. */
  ddlLockTimeoutMs: 5_000,
  /** Roles are shared by all databases of a server, where no lock of one database reaches. */
  provisionAttempts: 5,
} as const;
