import { randomBytes } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isUniqueViolation } from "@lanekeeper/postgres";
import { EnvError, type Log, makeFolder, Secret, type Settings } from "@lanekeeper/service";
import { hashKey, SCOPES } from "./credential.ts";
import { isMistyped, isSendable, MAX_KEY_CHARS } from "./key-text.ts";
import type { CredentialStore } from "./store.ts";

/** The id under which the first credential stands in turns and logs. */
export const BOOTSTRAP_ID = "bootstrap";

const SOURCE = "LANEKEEPER_API_KEY or <data dir>/api-key";

/** Below this a key can be guessed. 128 bits in base64. */
const MIN_KEY_CHARS = 22;

/**
 * Stores the first credential: all scopes, tenant `default`. There is one, and it is what the
 * environment or the data dir says now: with another key there the old one stops working.
 * @throws EnvError where no request could show it
 */
export async function ensureBootstrapKey(
  store: Pick<CredentialStore, "put">,
  settings: Pick<Settings, "apiKey" | "dataDir">,
  log: Log,
): Promise<void> {
  const key = settings.apiKey ?? (await keyFromFile(settings.dataDir, log));
  if (isMistyped(key.reveal())) {
    throw new Error(
      "the first API key begins like one that was made by RPC, and is mistyped or cut short: mend " +
        "LANEKEEPER_API_KEY or <data dir>/api-key, or choose a text that does not begin with lk1_",
    );
  }
  if (!isSendable(key.reveal())) throw cannotBeSent();
  if (key.reveal().length < MIN_KEY_CHARS) {
    log.warn(`the first API key is shorter than ${MIN_KEY_CHARS} characters and can be guessed`);
  }
  const credential = {
    principal: BOOTSTRAP_ID,
    tenant: "default",
    keyHash: hashKey(key.reveal()),
    scopes: SCOPES,
    agents: [],
    keyPrefixes: [],
    rateLimit: undefined,
    tenantRateLimit: undefined,
  };
  const replaced = await store.put(credential, SOURCE).catch(unlessAnothers);
  if (replaced) log.warn("the first API key has changed: the one before it no longer works");
}

function cannotBeSent(): EnvError {
  const sentence =
    `the first API key (${SOURCE}) cannot stand in the header Authorization: Bearer <key>: it needs letters, ` +
    `digits and signs of ASCII without spaces, ${MAX_KEY_CHARS} at most.`;
  return new EnvError([{ variable: "LANEKEEPER_API_KEY", sentence }]);
}

/** Two credentials of one text would be one of two tenants. */
function unlessAnothers(error: unknown): never {
  if (!isUniqueViolation(error)) throw error;
  throw new Error(
    `the first API key (${SOURCE}) is the text of another key: give it one of its own`,
  );
}

/** Made when it is missing; of two processes that make it at once, both use the first one's. */
async function keyFromFile(dataDir: string, log: Log): Promise<Secret> {
  const path = join(dataDir, "api-key");
  const fresh = `lk_${randomBytes(32).toString("base64url")}`;
  await makeFolder(dataDir);
  if (await putUnlessThere(path, `${fresh}\n`)) {
    log.info({ path }, "made the first API key");
    return new Secret(fresh);
  }
  const key = (await readFile(path, "utf8")).trim();
  if (key === "") throw new Error(`${path} is empty: delete it, or put an API key into it`);
  return new Secret(key);
}

/** A hard link appears with its whole content, and fails where the name is taken. */
async function putUnlessThere(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(draft, content, { mode: 0o600 });
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}
