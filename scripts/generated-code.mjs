import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const GENERATED = join("packages", "protocol", "src", "gen");

/** Generates into a folder of its own and tells, a line each, which committed files differ. */
export function generatedCodeDifference(root) {
  const fresh = mkdtempSync(join(tmpdir(), "lanekeeper-generated-"));
  try {
    const bin = join(root, "node_modules", ".bin");
    const { status, stderr } = spawnSync(join(bin, "buf"), ["generate", "--output", fresh], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    });
    if (status !== 0) return stderr.trim() || `buf generate ended with ${status}`;
    return differences(join(fresh, GENERATED), join(root, GENERATED)).join("\n");
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function differences(fresh, committed) {
  const [wanted, found] = [filesOf(fresh), filesOf(committed)];
  return [
    ...wanted.filter((file) => !found.includes(file)).map((file) => `missing: ${file}`),
    ...found.filter((file) => !wanted.includes(file)).map((file) => `of no proto: ${file}`),
    ...wanted
      .filter((file) => found.includes(file))
      .filter(
        (file) => !readFileSync(join(fresh, file)).equals(readFileSync(join(committed, file))),
      )
      .map((file) => `not what the proto says: ${file}`),
  ];
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
