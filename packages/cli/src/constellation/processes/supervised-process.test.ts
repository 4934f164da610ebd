import { join } from "node:path";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { testFolder } from "../../fixtures/folder.ts";
import { LogFile } from "./log-file.ts";
import { type Death, SupervisedProcess } from "./supervised-process.ts";

test("a process that the system does not make is told as one that died, and tried again", async () => {
  await using folder = await testFolder();
  await using log = new LogFile(join(folder.path, "log"));
  const deaths: Death[] = [];
  const said: string[] = [];
  const supervised = new SupervisedProcess(
    // ENOTDIR is thrown, as ENOMEM is; ENOENT and others are events.
    { name: "runner", command: "/dev/null/node", args: [], env: () => ({}), log },
    {
      echo: (line) => void said.push(line),
      started: () => undefined,
      died: (death) => void deaths.push(death),
      isHopeless: () => false,
    },
  );
  supervised.start();
  expect(deaths).toMatchObject([{ name: "runner", code: null, deaths: 1, restartInMs: 200 }]);
  expect(said).toEqual(["runner: spawn ENOTDIR"]);
  await eventually(() => deaths.length > 1);
  await supervised.stop(0, new AbortController().signal);
});
