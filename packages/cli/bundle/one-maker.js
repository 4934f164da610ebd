import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Several times what making a bundle takes on a busy machine. */
const STALE_MS = 60_000;
const POLL_MS = 100;

/**
 * Of processes that start at once one makes the bundle, which takes seconds of CPU, and the others wait for it. Who
 * cannot tell whether somebody does, makes one too: it is for speed alone.
 *
 * @template Made
 * @param {string} cache
 * @param {{ find: () => Made | undefined, make: () => Promise<Made> }} options `find` gives what another has made
 * @returns {Promise<Made>}
 */
export async function byOneMaker(cache, { find, make }) {
  const claim = join(cache, "making");
  while (isClaimed(cache, claim)) await sleep(POLL_MS);
  try {
    return find() ?? (await make());
  } finally {
    if (isOurs(claim)) rmSync(claim, { force: true });
  }
}

/** By another, who lives. Else it is ours from now on. */
function isClaimed(cache, claim) {
  try {
    mkdirSync(cache, { recursive: true });
    writeFileSync(claim, String(process.pid), { flag: "wx" });
    return false;
  } catch (error) {
    if (error.code !== "EEXIST") return false;
  }
  if (isHeld(claim)) return true;
  rmSync(claim, { force: true });
  return isClaimed(cache, claim);
}

function isHeld(claim) {
  try {
    if (Date.now() - statSync(claim).mtimeMs > STALE_MS) return false;
    const pid = Number(readFileSync(claim, "utf8"));
    // Between its making and its writing a file is empty.
    return pid === 0 || isAlive(pid);
  } catch {
    return false;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function isOurs(claim) {
  try {
    return readFileSync(claim, "utf8") === String(process.pid);
  } catch {
    return false;
  }
}
