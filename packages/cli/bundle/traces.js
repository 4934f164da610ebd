import { Origins } from "./origins.js";

/** The same places fail again and again. */
const MAX_KNOWN = 1_000;

/** Of the scripts that are run, by their paths. */
const origins = new Map();
const known = new Map();

/**
 * Traces of errors name lines as they were written, in place of those of a script. They are made when
 * somebody reads them.
 *
 * @param {string} path of the script
 */
export function mapTraces(path) {
  origins.set(path, new Origins(path));
  Error.prepareStackTrace = (error, sites) =>
    [headOf(error), ...sites.map(lineOf)].join("\n    at ");
}

function lineOf(site) {
  const text = String(site);
  const path = site.getFileName();
  if (!origins.has(path)) return text;
  const place = `${path}:${site.getLineNumber()}:${site.getColumnNumber()}`;
  if (!known.has(place)) {
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(place, originOf(origins.get(path), site) ?? place);
  }
  return text.replace(place, () => known.get(place));
}

/** Undefined: the bundle's files are gone, or say nothing of it. */
function originOf(script, site) {
  try {
    return script.of(site.getLineNumber(), site.getColumnNumber());
  } catch {
    return undefined;
  }
}

/** As Node has it: its own errors are told with their codes. */
function headOf(error) {
  const head = Error.prototype.toString.call(error);
  const { name, code } = error;
  const isOfNode =
    typeof code === "string" && code.startsWith("ERR_") && head.startsWith(`${name}:`);
  return isOfNode ? `${name} [${code}]${head.slice(name.length)}` : head;
}
