// Regenerates ./gen from ./proto: `node packages/rpc/src/testing/generate.mjs` at the root of the
// repository. buf wants all roots of one workspace under one folder, hence the temporary copy.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..", "..", "..");
const work = mkdtempSync(join(tmpdir(), "rpctest-proto-"));
const bin = (name) => join(root, "node_modules", ".bin", name);

try {
  cpSync(join(here, "proto"), work, { recursive: true });
  cpSync(join(root, "proto", "google"), join(work, "google"), { recursive: true });
  writeFileSync(join(work, "buf.yaml"), "version: v2\n");
  const template = {
    version: "v2",
    clean: true,
    plugins: [
      {
        local: bin("protoc-gen-es"),
        out: join(here, "gen"),
        include_imports: true,
        opt: ["target=ts", "import_extension=ts", "erasable_syntax=true"],
      },
    ],
  };
  const args = ["generate", "--path", "lanekeeper", "--template", JSON.stringify(template)];
  execFileSync(bin("buf"), args, { cwd: work, stdio: "inherit" });
} finally {
  rmSync(work, { recursive: true, force: true });
}
