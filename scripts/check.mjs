// `npm run check`: everything that is looked at besides the tests. Each check has one line, all of
// them run even where one fails, and the exit code is 1 if any did. Needs no network.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { generatedCodeDifference } from "./generated-code.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** A program of node_modules; problems are what it prints when it does not end with 0. */
function program(name, ...args) {
  return () => {
    const { status, error, stdout, stderr } = spawnSync(
      join(root, "node_modules", ".bin", name),
      args,
      {
        cwd: root,
        encoding: "utf8",
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    if (error) return error.message;
    return status === 0 ? "" : `${stdout}${stderr}`.trim() || `ended with ${status}`;
  };
}

const CHECKS = [
  ["format", program("biome", "format", "."), "npm run format"],
  ["lint", program("oxlint", "--type-aware", "--deny-warnings")],
  ["types", program("tsc", "-p", ".", "--noEmit")],
  ["protos: lint", program("buf", "lint")],
  ["protos: format", program("buf", "format", "--diff", "--exit-code"), "npx buf format --write"],
  [
    "protos: nothing released is broken",
    program("buf", "breaking", "--against", "proto/released.binpb"),
    "if the change is meant: node scripts/release-proto.mjs, with the reason in docs/decisions",
  ],
  ["protos: generated code is current", () => generatedCodeDifference(root), "npm run generate"],
  ["unused code and dependencies", program("knip", "--no-progress")],
];

function run([name, check, remedy]) {
  const began = performance.now();
  const problems = check();
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.log(`${problems === "" ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (problems !== "") console.log(problems.replace(/^/gm, "     "));
  if (problems !== "" && remedy !== undefined) console.log(`     mend it with: ${remedy}`);
  return problems === "";
}

if (!existsSync(join(root, "node_modules", ".bin"))) {
  console.error("The packages are not installed: run npm install first.");
  process.exit(1);
}
const failed = CHECKS.map(run).filter((passed) => !passed).length;
console.log(failed === 0 ? "all checks passed" : `${failed} of ${CHECKS.length} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;
