/**
 * How an adapter checks a key normalizer of its own against the published vectors, in plain JavaScript
 * that is easily written again in another language. The normalizer here names Telegram chats only.
 *
 *   node packages/client/examples/check-vectors.mjs packages/session-key/vectors/session-keys.v1.json
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const CHANNEL = "telegram";
/** What the normalizer was written for; vectors of another rule set say nothing about it. */
const RULE_SET_VERSION = 1;

/** The canonical key of a Telegram chat; undefined where the peer is refused. */
function normalize({ agent, peer: { kind, peer, thread }, dm_scope = "per-channel-peer" }) {
  const isNumber = /^(0|-?[1-9][0-9]*)$/.test(peer);
  if (!isNumber && !/^@\w+$/.test(peer)) return undefined;
  const chat = peer.toLowerCase();
  const topic = thread === undefined ? "" : `:thread:${thread}`;
  if (kind !== "direct") return `agent:${agent}:${CHANNEL}:${kind}:${chat}${topic}`;
  const scoped = thread === undefined ? "" : `:thread:${CHANNEL}:${chat}:${thread}`;
  switch (dm_scope) {
    case "main":
      return `agent:${agent}:main${scoped}`;
    case "per-peer":
      return `agent:${agent}:direct:${CHANNEL}:${chat}${scoped}`;
    default:
      return `agent:${agent}:${CHANNEL}:direct:${chat}${topic}`;
  }
}

const PUBLISHED = "../../session-key/vectors/session-keys.v1.json";

const path = process.argv[2] ?? join(import.meta.dirname, PUBLISHED);
const vectors = JSON.parse(readFileSync(path, "utf8"));
if (vectors.rule_set_version !== RULE_SET_VERSION) {
  throw new Error(`the vectors are of rule set ${vectors.rule_set_version}: read what has changed`);
}

const isOurs = ({ channel }) => channel === CHANNEL;
/** Persons are linked by operators, accounts are for scopes that this adapter's agents do not have. */
const isDone = ({ person, dm_scope }) =>
  person === undefined && dm_scope !== "per-account-channel-peer";

const checks = [
  ...vectors.keys
    .filter((vector) => isOurs(vector.peer) && isDone(vector))
    .map((vector) => ({ vector, found: normalize(vector), expected: vector.canonical })),
  ...vectors.bad_peers
    .filter((vector) => isOurs(vector.peer))
    .map((vector) => ({ vector, found: normalize(vector), expected: undefined })),
  ...vectors.peers
    .filter((vector) => isOurs(vector.a) && isOurs(vector.b) && isDone(vector))
    .map((vector) => {
      const [a, b] = [vector.a, vector.b].map((peer) => normalize({ ...vector, peer }));
      return { vector, found: a === b ? "same" : "distinct", expected: vector.expect };
    }),
];
const differing = checks.filter(({ found, expected }) => found !== expected);
for (const each of differing) console.log("differs", JSON.stringify(each));
console.log(`${checks.length} vectors of ${CHANNEL}, ${differing.length} differ`);
process.exitCode = differing.length === 0 && checks.length > 0 ? 0 : 1;
