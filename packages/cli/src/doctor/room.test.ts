import { expect, test } from "vitest";
import { testFolder } from "../fixtures/folder.ts";
import { lookAtRoom } from "./room.ts";

const path = "/srv/lanekeeper";
const free = (mib: number) => async () => ({ bavail: mib * 256, bsize: 4096 });

test("a disk that is all but full is a problem, also while nothing runs that could say so", async () => {
  expect(await lookAtRoom({ path }, free(255))).toMatchObject([
    {
      verdict: "problem",
      text: expect.stringMatching(/^255 MiB are left for \/srv\/lanekeeper: /),
    },
  ]);
  expect(await lookAtRoom({ path }, free(0))).toMatchObject([{ verdict: "problem" }]);
  expect(await lookAtRoom({ path }, free(256))).toMatchObject([{ verdict: "ok" }]);
});

test("before the first start the folder's place is looked at, and what cannot be is left out", async () => {
  await using folder = await testFolder();
  const found = await lookAtRoom({ path: `${folder.path}/data` });
  expect(found).toMatchObject([{ subject: "room", text: expect.stringMatching(/^\d+ MiB are/) }]);
  expect(await lookAtRoom({ path: "/nowhere/at/all" })).toEqual([]);
});
