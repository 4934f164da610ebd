/** Every bound of this package, with its reason. Units stand last in the names. */
export const LIMITS = {
  /** pg_ctl waits 60 s by default; crash recovery of a busy database may take longer. */
  startTimeoutMs: 120_000,
  /** A fast shutdown ends with a checkpoint; 30 s write out the 128 MB of shared buffers on a slow disk. */
  fastShutdownMs: 30_000,
  /** After SIGQUIT the postmaster itself kills its children after 5 s (SIGKILL_CHILDREN_AFTER_SECS). */
  immediateShutdownMs: 10_000,
  /** Backends of a killed postmaster notice its death at once, unless a statement is running. */
  leftoverBackendsMs: 15_000,
  /** Another program may take the chosen port between the look and the bind; five in a row do not. */
  portAttempts: 5,
  /** How often files and processes are looked at while waiting for them. */
  pollMs: 20,
  /** `postgres --version`, `id`, `test`: milliseconds, unless the machine hangs. */
  probeTimeoutMs: 30_000,
  /** initdb takes half a second; 20 s on a slow disk with fsync. */
  initdbTimeoutMs: 300_000,
  /** The log of a server is kept to twice this: the current file and the one before. */
  logFileBytes: 10_000_000,
  /** How often the running log is measured. */
  logCheckMs: 60_000,
  /** What of the log is quoted in an error. */
  logTailBytes: 2_000,
  /** Four services, two replicas of each with two pools of 8, and room for people and tools. */
  maxConnections: 200,
} as const;
