import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import {
  DeliverySchema,
  DeliveryState,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import {
  DeliveryService,
  DismissDeliveryResponseSchema,
  GetDeliveryResponseSchema,
  RedriveDeliveryResponseSchema,
  RedriveGeneration,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { CliError } from "../cli-error.ts";
import type { PageRequest } from "../listing/read-pages.ts";
import { type ListOptions, showList } from "../listing/show-list.ts";
import { deliveryLine, deliveryLines } from "../operator/delivery-lines.ts";
import { openOperator } from "../operator/open-operator.ts";
import { canonicalKey } from "../operator/session-key.ts";
import { type Output, showJson } from "../output.ts";

interface Json {
  readonly json?: true;
}

const METHODS = DeliveryService.method;

export interface DeliveryListOptions extends ListOptions {
  readonly key?: string;
  readonly route?: string;
  readonly turn?: string;
  readonly state?: string;
}

/** `lanekeeper deliveries list`: dead letters, unless a state is named. */
export async function listDeliveries(options: DeliveryListOptions, output: Output): Promise<void> {
  const operator = await openOperator();
  const question = {
    ...stateFilter(options.state),
    sessionKey: options.key === undefined ? "" : await canonicalKey(operator, options.key),
    routeId: options.route ?? "",
    turnId: options.turn ?? "",
  };
  const what = options.state === undefined ? "dead letters" : "deliveries";
  const listing = {
    schema: DeliverySchema,
    field: "deliveries",
    line: deliveryLine,
    none: () => output.line(`no ${what}`),
    ask: async (page: PageRequest) => {
      const answer = await operator.call(METHODS.listDeliveries, { ...question, ...page });
      return { rows: answer.deliveries, nextPageToken: answer.nextPageToken };
    },
  };
  await showList(listing, options, output);
}

function stateFilter(name: string | undefined) {
  if (name === undefined) return { deadLettersOnly: true };
  if (name === "all") return {};
  const { UNSPECIFIED: _, ...states } = DeliveryState;
  const state = Object.entries(states).find(([known]) => known === name.toUpperCase())?.[1];
  if (state !== undefined) return { state };
  const known = Object.keys(states).join(", ").toLowerCase();
  throw new CliError(`There is no state ${JSON.stringify(name)}: expected ${known} or all.`);
}

/** `lanekeeper deliveries get <id>` */
export async function getDelivery(
  deliveryId: string,
  options: Json,
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const answer = await operator.call(METHODS.getDelivery, { deliveryId });
  if (options.json) return showJson(output, toJson(GetDeliveryResponseSchema, answer));
  for (const line of deliveryLines(answer)) output.line(line);
}

export interface RedriveOptions extends Json {
  readonly ownGeneration?: true;
  readonly currentGeneration?: true;
  readonly expectGeneration?: bigint;
  readonly requestId?: string;
  readonly note?: string;
}

/** `lanekeeper deliveries redrive <id>` */
export async function redriveDelivery(
  deliveryId: string,
  options: RedriveOptions,
  output: Output,
): Promise<void> {
  const generation = chosenGeneration(options);
  const operator = await openOperator();
  const answer = await operator.call(METHODS.redriveDelivery, {
    requestId: options.requestId ?? randomUUID(),
    deliveryId,
    generation,
    expectedGeneration: options.expectGeneration ?? 0n,
    note: options.note ?? "lanekeeper deliveries redrive",
  });
  if (options.json) return showJson(output, toJson(RedriveDeliveryResponseSchema, answer));
  if (answer.delivery !== undefined) output.line(deliveryLine(answer.delivery));
}

function chosenGeneration({ ownGeneration, currentGeneration }: RedriveOptions): RedriveGeneration {
  if (ownGeneration !== currentGeneration) {
    return ownGeneration ? RedriveGeneration.OWN : RedriveGeneration.CURRENT;
  }
  throw new CliError(
    "Choose the generation: --own-generation (it is stopped where the session was reset since), or " +
      "--current-generation (it goes out all the same).",
  );
}

/** `lanekeeper deliveries dismiss <id>` */
export async function dismissDelivery(
  deliveryId: string,
  options: Json & { readonly note?: string },
  output: Output,
): Promise<void> {
  const operator = await openOperator();
  const note = options.note ?? "lanekeeper deliveries dismiss";
  const answer = await operator.call(METHODS.dismissDelivery, { deliveryId, note });
  if (options.json) return showJson(output, toJson(DismissDeliveryResponseSchema, answer));
  if (answer.delivery !== undefined) output.line(deliveryLine(answer.delivery));
}
