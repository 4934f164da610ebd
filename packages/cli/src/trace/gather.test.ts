import { create } from "@bufbuild/protobuf";
import { JournalEntrySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import { RotationSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { RequestSchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { TurnSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LanekeeperError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { connectError } from "../operator/connect-error.ts";
import type { Operator } from "../operator/operator.ts";
import { gapsOf } from "./gaps.ts";
import { gather } from "./gather.ts";

const TURN = "01a22641-9636-767f-9d2a-182aafda1707";

interface Asked {
  readonly requestId?: string;
  readonly turnId?: string;
  readonly intoTurnId?: string;
  readonly pageToken?: string;
}

/** An operator whose services answer so, and with nothing where that says nothing. */
function operatorWith(
  answer: (name: string, asked: Asked, service: string) => object | undefined | void,
): Operator {
  const none = {
    ...{ requests: [], turns: [], entries: [], deliveries: [], rotations: [] },
    nextPageToken: "",
  };
  const call = async (method: { name: string; parent: { typeName: string } }, asked: Asked) => ({
    ...none,
    ...answer(method.name, asked, method.parent.typeName),
  });
  return { url: "http://here", call, streams: undefined } as unknown as Operator;
}

const turnOf = (sessionKey: string, more: object = {}) =>
  create(TurnSchema, { turnId: TURN, sessionKey, ...more });

const connect = (code: string) => connectError("http://here", 503, { code, message: "" });

test.each([
  ["a service that is away", connect("unavailable")],
  ["a service that hangs", connect("deadline_exceeded")],
  ["a service without its store", new LanekeeperError("STORE_UNAVAILABLE", "full")],
])("%s is named, and the others tell what they know", async (_, error) => {
  const asked = operatorWith((name, _asked, service) => {
    if (service.includes(".delivery.")) throw error;
    return name === "GetTurn" ? { turn: turnOf("") } : undefined;
  });
  const found = await gather(asked, TURN);
  expect(found.silent).toEqual(["delivery"]);
  expect(found.turns.map(({ turnId }) => turnId)).toEqual([TURN]);
});

test("a refusal is no silence: it is told, and what the others know as well", async () => {
  const refusal = new LanekeeperError("NOT_FOUND", "no session named agent:main:never:was");
  const asked = operatorWith((name) => {
    if (name === "ListRotations") throw refusal;
    return name === "GetTurn" ? { turn: turnOf("agent:main:never:was") } : undefined;
  });
  const found = await gather(asked, TURN);
  expect(found.turns.map(({ turnId }) => turnId)).toEqual([TURN]);
  expect(gapsOf(found)).toEqual([
    "session-identity does not tell of the generations of agent:main:never:was: " +
      "NOT_FOUND: no session named agent:main:never:was",
  ]);
});

test("where nobody tells anything the refusal is the answer", async () => {
  const refusal = new LanekeeperError("PERMISSION_DENIED", "not yours");
  const refuses = operatorWith(() => {
    throw refusal;
  });
  await expect(gather(refuses, TURN)).rejects.toBe(refusal);
});

test("a request of which ingress wrote nothing down is missed, where it should have been", async () => {
  const of = (source: string) =>
    operatorWith((name) =>
      name === "GetTurn"
        ? { turn: turnOf("", { requestId: "r1", origin: { source } }) }
        : undefined,
    );
  expect(gapsOf(await gather(of("http"), TURN))).toEqual([
    expect.stringMatching(
      /^ingress has no record of the request r1 of turn .*died before it wrote/,
    ),
  ]);
  expect(gapsOf(await gather(of("schedule"), TURN))).toEqual([]);
});

test("of a turn those are told that it took in, and their requests", async () => {
  const guest = "01a22641-9636-767f-9d2a-182aafda1708";
  const found = await gather(
    operatorWith((name, { turnId, intoTurnId }) => {
      if (name === "ListTurns" && intoTurnId === TURN)
        return { turns: [create(TurnSchema, { turnId: guest, intoTurnId })] };
      if (name === "GetTurn") return { turn: create(TurnSchema, { turnId: turnId ?? "" }) };
      if (name === "ListRequests" && turnId === guest)
        return { requests: [create(RequestSchema, { requestId: "r2", turnId })] };
      return undefined;
    }),
    TURN,
  );
  expect(found.turns.map(({ turnId }) => turnId).sort()).toEqual([TURN, guest]);
  expect(found.requests.map(({ requestId }) => requestId)).toEqual(["r2"]);
});

test("what a service could tell more of is said", async () => {
  const found = await gather(
    operatorWith((name, { requestId }) => {
      if (name === "ListJournal")
        return { entries: [create(JournalEntrySchema, {})], nextPageToken: "t" };
      if (name !== "ListTurns" || requestId === undefined) return undefined;
      return {
        turns: Array.from({ length: 21 }, (_, i) => create(TurnSchema, { turnId: `${i}` })),
      };
    }),
    "storm",
  );
  expect(gapsOf(found)).toEqual([
    "session-identity knows more: of the journal only 1 are told",
    "runner knows more: of the turns' own records only 20 are told",
  ]);
});

test("changes of generation during a turn are found behind those of after it", async () => {
  const at = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 });
  const changes = [40, 30, 20, 10].map((seconds) =>
    create(RotationSchema, {
      current: { sessionKey: "agent:main:a", generation: BigInt(seconds) },
      createTime: at(seconds),
    }),
  );
  const asked: number[] = [];
  const found = await gather(
    operatorWith((name, { pageToken }) => {
      if (name === "GetTurn")
        return { turn: turnOf("agent:main:a", { acceptTime: at(15), endTime: at(25) }) };
      if (name !== "ListRotations") return undefined;
      const place = Number(pageToken);
      asked.push(place);
      return { rotations: [changes[place]], nextPageToken: `${place + 1}` };
    }),
    TURN,
  );
  expect(found.rotations.map(({ current }) => current?.generation)).toEqual([20n]);
  expect(asked).toEqual([0, 1, 2, 3]);
  expect(gapsOf(found)).toEqual([]);
});

test.each(["00.000Z", "00Z"])(
  "a schedule's run is found by its due time, ending in %s",
  async (end) => {
    const labels: (string | undefined)[] = [];
    const asked = operatorWith((_name, { requestId }) => void labels.push(requestId));
    await gather(asked, `schedule/tick/2026-11-29T14:02:${end}`);
    expect(new Set(labels)).toEqual(new Set(["schedule/tick/2026-11-29T14:02:00Z"]));
  },
);
