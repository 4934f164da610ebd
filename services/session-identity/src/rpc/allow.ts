import type { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type { Allow, PeerName } from "@lanekeeper/rpc";

/** Reads are for whoever works with sessions; ingress asks for its operators. */
const READERS: readonly PeerName[] = ["ingress", "runner", "delivery", "cli"];
/** What operators and adapters change, through ingress or the program. */
const OPERATORS: readonly PeerName[] = ["ingress", "cli"];

/**
 * Who may call what. A run is the runner's alone; events are the runner's and delivery's, each for its
 * own writer, which WriteLifecycle checks.
 */
export const ALLOW: Allow<typeof SessionIdentityService> = {
  resolveSession: READERS,
  normalizeKey: READERS,
  explainKey: OPERATORS,
  rotateSession: ["ingress", "runner", "cli"],
  beginRun: ["runner"],
  writeLifecycle: ["runner", "delivery"],
  checkFence: ["runner", "delivery"],
  getSession: READERS,
  listSessions: READERS,
  listRotations: READERS,
  listJournal: READERS,
  watchSessions: READERS,
  registerKey: OPERATORS,
  // Delivery hears from Telegram that a group has another id now.
  registerEquivalence: [...OPERATORS, "delivery"],
  registerAlias: OPERATORS,
  removeAlias: OPERATORS,
  linkPeer: OPERATORS,
  mergeSessions: OPERATORS,
  eraseKey: OPERATORS,
  getErasure: OPERATORS,
  listErasures: OPERATORS,
  listErasuresToDo: ["runner", "delivery"],
  reportErasure: ["runner", "delivery"],
  applyKeyPolicies: OPERATORS,
  getKeyPolicies: READERS,
  raiseFences: ["cli"],
  exchange: READERS,
};
