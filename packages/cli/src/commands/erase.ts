import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import {
  type Erasure,
  ErasureSchema,
  ErasureState,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { CliError } from "../cli-error.ts";
import type { PageRequest } from "../listing/read-pages.ts";
import { type ListOptions, showList } from "../listing/show-list.ts";
import { erasureLine, progressText } from "../operator/erasure-lines.ts";
import { openOperator } from "../operator/open-operator.ts";
import type { Operator } from "../operator/operator.ts";
import { canonicalKey } from "../operator/session-key.ts";
import { sessionLines } from "../operator/session-lines.ts";
import { type Output, showJson } from "../output.ts";

const METHODS = SessionIdentityService.method;

/** Services look each ten seconds; a person who waits wants a word before that. */
const LOOK_EVERY_MS = 2_000;

export interface EraseOptions {
  readonly json?: true;
  /** It cannot be taken back, so without this it is only told what would go. */
  readonly yes?: true;
  readonly wait?: true;
  readonly expectGeneration?: bigint;
  readonly note?: string;
}

/** `lanekeeper sessions erase <key>`: what was said there is removed, and its names with it. */
export async function eraseSession(
  name: string,
  options: EraseOptions,
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const sessionKey = await canonicalKey(operator, name);
  if (!options.yes) throw await onlyTold(operator, sessionKey, output);
  const request = {
    requestId: randomUUID(),
    sessionKey,
    expectedGeneration: options.expectGeneration ?? 0n,
    note: options.note ?? "lanekeeper sessions erase",
  };
  // A repeat tells how far it is, also to who may not read all erasures of the tenant.
  const ask = async () => (await operator.call(METHODS.eraseKey, request)).erasure;
  const erasure = await ask();
  if (erasure === undefined) throw new Error("an erasure is told");
  if (!options.json) tell(erasure, output);
  const now = options.wait ? await untilErased(ask, erasure, options, output) : erasure;
  if (options.json) showJson(output, toJson(ErasureSchema, now));
}

async function onlyTold(operator: Operator, sessionKey: string, output: Output): Promise<CliError> {
  const name = { case: "rawKey" as const, value: sessionKey };
  const { session } = await operator.call(METHODS.resolveSession, { name, lookUpOnly: true });
  if (session !== undefined) for (const line of sessionLines(session)) output.line(line);
  return new CliError(
    "Nothing was erased. What was said there cannot be brought back: keep it (lanekeeper sessions export), and say --yes.",
  );
}

function tell(erasure: Erasure, output: Output): void {
  output.line(`erasure     ${erasure.erasureId}`);
  for (const { sessionKey, throughGeneration } of erasure.keys) {
    output.line(`key         ${sessionKey} through generation ${throughGeneration}`);
  }
  output.line(
    "Nothing of it is gone on with. What was said is being removed, which takes some six minutes:",
  );
  output.line('"lanekeeper sessions erasures" tells how far it is.');
}

/** A line for each step. */
async function untilErased(
  ask: () => Promise<Erasure | undefined>,
  begun: Erasure,
  { json }: EraseOptions,
  output: Output,
): Promise<Erasure> {
  let told = "";
  for (let now = begun; ; ) {
    const progress = progressText(now);
    if (progress !== told && !json) output.line(progress);
    if (now.state === ErasureState.ERASED) return now;
    told = progress;
    await sleep(LOOK_EVERY_MS);
    now = (await ask()) ?? now;
  }
}

/** `lanekeeper sessions erasures`: conversations that are or were erased, newest first. */
export async function listErasures(
  options: ListOptions & { readonly underWay?: true },
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const question = { underWayOnly: options.underWay ?? false };
  const listing = {
    schema: ErasureSchema,
    field: "erasures",
    line: erasureLine,
    none: () => output.line("no erasures"),
    ask: async (page: PageRequest) => {
      const answer = await operator.call(METHODS.listErasures, { ...question, ...page });
      return { rows: answer.erasures, nextPageToken: answer.nextPageToken };
    },
  };
  await showList(listing, options, output);
}
