import { create } from "@bufbuild/protobuf";
import { TurnSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LanekeeperError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { connectError } from "../operator/connect-error.ts";
import type { Operator } from "../operator/operator.ts";
import { gather } from "./gather.ts";

const TURN = "01a22641-9636-767f-9d2a-182aafda1707";

/** An operator to whom one service answers with an error, and the runner knows one turn. */
function operatorWith(service: string, error: Error): Operator {
  const call = async (method: { name: string; parent: { typeName: string } }) => {
    if (method.parent.typeName.includes(service)) throw error;
    if (method.name === "GetTurn") return { turn: create(TurnSchema, { turnId: TURN }) };
    return { requests: [], turns: [], entries: [], deliveries: [], rotations: [] };
  };
  return { url: "http://here", call, streams: undefined } as unknown as Operator;
}

const connect = (code: string) => connectError("http://here", 503, { code, message: "" });

test.each([
  ["a service that is away", connect("unavailable")],
  ["a service that hangs", connect("deadline_exceeded")],
  ["a service without its store", new LanekeeperError("STORE_UNAVAILABLE", "full")],
])("%s is named, and the others tell what they know", async (_, error) => {
  const found = await gather(operatorWith(".delivery.", error), TURN);
  expect(found.silent).toEqual(["delivery"]);
  expect(found.turns.map(({ turnId }) => turnId)).toEqual([TURN]);
});

test("a refusal is no silence", async () => {
  const refusal = new LanekeeperError("PERMISSION_DENIED", "not yours");
  await expect(gather(operatorWith(".delivery.", refusal), TURN)).rejects.toBe(refusal);
  const internal = connect("internal");
  await expect(gather(operatorWith(".runner.", internal), TURN)).rejects.toBe(internal);
});
