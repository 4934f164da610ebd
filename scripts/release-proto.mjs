// `node scripts/release-proto.mjs`: what the protos say now is what later changes are measured by
// (buf breaking in `npm run check`). Run it with a release, and where a break is meant.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const buf = join(root, "node_modules", ".bin", "buf");
const args = ["build", "--exclude-source-info", "--output", "proto/released.binpb"];
const { status } = spawnSync(buf, args, { cwd: root, stdio: "inherit" });
if (status === 0) console.log("proto/released.binpb written: commit it");
process.exitCode = status ?? 1;
