import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dataDirAt } from "../constellation/folder/data-dir.ts";
import type { ConstellationState } from "../constellation/folder/state-file.ts";
import { testFolder } from "../fixtures/folder.ts";
import { lookAtRunning } from "./running.ts";

const NOBODY = { holder: undefined, state: undefined, singles: [] };

test("that nothing runs is a problem where it was started, and a note where it never was", async () => {
  await using folder = await testFolder();
  const dir = dataDirAt(join(folder.path, "data"));
  const looked = async (isExternal: boolean) => {
    const { verdict, text } = await lookAtRunning({ ...NOBODY, dir, isExternal });
    return [verdict, text];
  };
  const never = ["note", 'nothing runs here yet: "npm start"'];
  expect(await looked(false)).toEqual(never);
  // A start that failed, or migrate, comes as far as this.
  await mkdir(dir.run, { recursive: true });
  await mkdir(dir.logs);
  expect(await looked(true)).toEqual(never);
  const not = ["problem", expect.stringMatching(/^Lanekeeper does not run: start it .*logs/)];
  expect(await looked(false)).toEqual(not);
  await writeFile(join(dir.logs, "ingress.log"), "");
  expect(await looked(true)).toEqual(not);
  const singles = ["runner", "delivery"];
  expect(await lookAtRunning({ ...NOBODY, dir, isExternal: true, singles })).toMatchObject({
    ...{ verdict: "ok", text: "runner, delivery, started one by one" },
  });
});

test("who runs is named, and whether it is ready", async () => {
  const dir = dataDirAt("/nowhere");
  const state = { url: "http://127.0.0.1:8080", ready: true } as ConstellationState;
  const about = { dir, holder: 12, isExternal: false, singles: [] };
  expect(await lookAtRunning({ ...about, state })).toMatchObject({
    ...{ verdict: "ok", text: "at http://127.0.0.1:8080, as process 12" },
  });
  expect(await lookAtRunning({ ...about, state: { ...state, ready: false } })).toMatchObject({
    verdict: "note",
    text: expect.stringContaining("process 12 is at work and not ready"),
  });
});
