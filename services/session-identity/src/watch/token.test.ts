import { hasReason } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { parseSnapshot, type Snapshot } from "./snapshot.ts";
import { decodeToken, encodeToken, type History, type Position } from "./token.ts";

const snapshot = (text: string) => parseSnapshot(text) as Snapshot;
const history: History = { historyId: "h1", nowMs: 10_000_000, snapshot: snapshot("50:50:") };
const place: Position = { from: snapshot("10:20:12"), partial: undefined, atMs: 9_999_000 };

function reasonOf(token: string, now: History = history): string {
  try {
    decodeToken(token, now);
    return "accepted";
  } catch (error) {
    return hasReason(error) ? error.reason : "unknown";
  }
}

test("a token says where it was given out, also in the middle of a step", () => {
  expect(decodeToken(encodeToken("h1", place), history)).toEqual(place);
  const partial = { ...place, partial: { to: snapshot("20:30:"), after: 7n } };
  expect(decodeToken(encodeToken("h1", partial), history)).toEqual(partial);
});

test("a token says which change was the newest, and is of another history to the release before", () => {
  const at = (text: string, newest: bigint) => parseSnapshot(text, newest) as Snapshot;
  const from = { ...place, from: at("10:20:12", 4n) };
  expect(decodeToken(encodeToken("h1", from), history)).toEqual(from);
  const partial = { ...from, partial: { to: at("20:30:", 9n), after: 7n } };
  expect(decodeToken(encodeToken("h1", partial), history)).toEqual(partial);
  const [name] = JSON.parse(Buffer.from(encodeToken("h1", partial), "base64url").toString());
  expect(name).toBe("h1~4~9");
});

test("another history's token is expired", () => {
  expect(reasonOf(encodeToken("h2", place))).toBe("RESUME_TOKEN_EXPIRED");
});

test("a token from what the database lost with its last transactions is expired", () => {
  expect(reasonOf(encodeToken("h1", { ...place, from: snapshot("60:60:") }))).toBe(
    "RESUME_TOKEN_EXPIRED",
  );
});

test("a token older than the changes that are kept is expired", () => {
  const old = { ...place, atMs: history.nowMs - LIMITS.changeRetentionMs };
  expect(reasonOf(encodeToken("h1", old))).toBe("accepted");
  expect(reasonOf(encodeToken("h1", { ...old, atMs: old.atMs - 1 }))).toBe("RESUME_TOKEN_EXPIRED");
});

test.each([
  "x",
  "",
  Buffer.from("[1,2,3]").toString("base64url"),
  Buffer.from('["h1",1,"1:2:","1:2:","-1"]').toString("base64url"),
  Buffer.from('["h1",1,"2:1:"]').toString("base64url"),
  Buffer.from('["h1~x",1,"1:2:"]').toString("base64url"),
])("%j is refused as no token", (token) => expect(reasonOf(token)).toBe("INVALID_REQUEST"));
