/** What a service process ends with. */
export const EXIT = {
  /** Told to stop, and everything is closed. */
  stopped: 0,
  /** Did not come up, crashed, or could not close. */
  failed: 1,
  /** The environment is wrong, so that starting again cannot help: EX_CONFIG of sysexits(3). */
  badConfiguration: 78,
  /** Plus the signal's number, as shells count: ended by a second signal, without waiting. */
  signalled: 128,
} as const;
