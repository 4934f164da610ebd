// `node scripts/test-counts.mjs <vitest's JSON report>`: one line, "N passed, N failed". A file that
// could not even be loaded counts as one failure. Ends with 1 if anything failed or nothing ran.
import { readFileSync } from "node:fs";

let passed = 0;
let failed = 0;
try {
  const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
  passed = report.numPassedTests;
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && assertionResults.every((one) => one.status !== "failed"),
  );
  failed = report.numFailedTests + unloaded.length;
} catch (error) {
  console.log(`vitest left no report: ${error.message}`);
  failed = 1;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
