import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../fixtures/folder.ts";
import { openDataDir } from "./data-dir.ts";
import { openCredentials } from "./secrets.ts";

test("a cluster secret that was cut short is told by its file, not by a variable that nobody set", async () => {
  await using folder = await testFolder();
  const dir = await openDataDir(join(folder.path, "data"));
  const given = { clusterSecret: undefined, apiKey: undefined };
  await writeFile(dir.clusterSecretFile, "c5d1f0\n");
  await expect(openCredentials(dir, given)).rejects.toThrow(
    `${dir.clusterSecretFile} has 6 characters, and needs 32: restore it, or remove it`,
  );
  await expect(openCredentials(dir, { ...given, clusterSecret: "short" })).rejects.toThrow(
    "The cluster secret has 5 characters: set LANEKEEPER_CLUSTER_SECRET",
  );
});
