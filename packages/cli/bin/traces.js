import { Origins } from "./origins.js";

/** The same places fail again and again. */
const MAX_KNOWN = 1_000;

/**
 * Traces of errors name lines as they were written, in place of those of the bundle. They are made when
 * somebody reads them.
 *
 * @param {string} folder of the bundle
 * @param {string} filename of its script
 */
export function mapTraces(folder, filename) {
  const origins = new Origins(folder);
  const known = new Map();
  const lineOf = (site) => {
    const text = String(site);
    if (site.getFileName() !== filename) return text;
    const place = `${filename}:${site.getLineNumber()}:${site.getColumnNumber()}`;
    if (!known.has(place)) {
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(place, originOf(origins, site) ?? place);
    }
    return text.replace(place, () => known.get(place));
  };
  Error.prepareStackTrace = (error, sites) =>
    [headOf(error), ...sites.map(lineOf)].join("\n    at ");
}

/** Undefined: the bundle's files are gone, or say nothing of it. */
function originOf(origins, site) {
  try {
    return origins.of(site.getLineNumber(), site.getColumnNumber());
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
