import type { DescField, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Status } from "@lanekeeper/protocol/google/rpc/status";

/**
 * What every Exchange has in common. A service has one if it declares a bidirectional method
 * `Exchange` whose request has a oneof `call` and whose response has a oneof `result`, each case
 * named as the unary method that it stands for.
 */
export interface RequestFrame {
  readonly callId: bigint;
  readonly timeout?: Duration;
  readonly traceparent: string;
  readonly tenant: string;
  readonly principal: string;
  readonly requestId: string;
  /** These three as in metadata: percent-encoded comma lists. */
  readonly scopes: string;
  readonly keyPrefixes: string;
  readonly agents: string;
  readonly call: { readonly case: string | undefined; readonly value?: unknown };
  /** Frames that came with it. */
  readonly more?: readonly RequestFrame[];
  readonly readsMore?: boolean;
}

export interface ResponseFrame {
  readonly callId: bigint;
  readonly result:
    | { readonly case: "error"; readonly value: Status }
    | { readonly case: string | undefined; readonly value?: unknown };
  /** Frames that came with it. */
  readonly more?: readonly ResponseFrame[];
  readonly readsMore?: boolean;
}

/** The fields by which frames of one moment travel together; undefined: they go one by one. */
export interface GroupFields {
  readonly more: number;
  readonly readsMore: number;
}

/** The case that cancels a call instead of making one. */
export const CANCEL_CASE = "cancel";

/** An Exchange method and the unary methods that travel in its frames. */
export interface ExchangeShape {
  readonly method: DescMethod;
  /** The field number in the request's oneof for each unary method, by local name. */
  readonly calls: ReadonlyMap<string, number>;
  /** Likewise in the response's. */
  readonly results: ReadonlyMap<string, number>;
  /** The field numbers of what all frames have, by local name. */
  readonly request: ReadonlyMap<string, number>;
  readonly cancel: number;
  readonly groupedRequests: GroupFields | undefined;
  readonly groupedResponses: GroupFields | undefined;
}

/** The service's Exchange; undefined if it has none. @throws Error if it has one of another shape */
export function exchangeShape(desc: DescService): ExchangeShape | undefined {
  const method = desc.method["exchange"];
  if (method === undefined || method.methodKind !== "bidi_streaming") return undefined;
  const fields = oneofFields(method.input, "call");
  const cancel = fields.get(CANCEL_CASE);
  if (cancel === undefined) throw new Error(`${method.input.typeName}.call has no case cancel`);
  fields.delete(CANCEL_CASE);
  const results = oneofFields(method.output, "result");
  for (const [name, field] of fields) checkCase(desc, name, field, results.get(name));
  return {
    method,
    calls: numbers(fields),
    results: numbers(results),
    request: new Map(method.input.fields.map((field) => [field.localName, field.number])),
    cancel: cancel.number,
    groupedRequests: groupFields(method.input),
    groupedResponses: groupFields(method.output),
  };
}

function groupFields({ field, typeName }: DescMessage): GroupFields | undefined {
  const { more, readsMore } = field;
  if (more === undefined || readsMore === undefined) return undefined;
  const fits = more.fieldKind === "list" && more.message?.typeName === typeName;
  if (!fits) throw new Error(`${typeName}.more holds no frames`);
  return { more: more.number, readsMore: readsMore.number };
}

function numbers(fields: ReadonlyMap<string, DescField>): ReadonlyMap<string, number> {
  return new Map([...fields].map(([name, field]) => [name, field.number]));
}

function oneofFields(message: DescMessage, name: string): Map<string, DescField> {
  const oneof = message.oneofs.find((each) => each.localName === name);
  if (oneof === undefined) throw new Error(`${message.typeName} has no oneof ${name}`);
  return new Map(oneof.fields.map((field) => [field.localName, field]));
}

function checkCase(
  desc: DescService,
  name: string,
  request: DescField,
  response: DescField | undefined,
): void {
  const method = desc.method[name];
  const matches =
    method?.methodKind === "unary" &&
    request.message?.typeName === method.input.typeName &&
    response?.message?.typeName === method.output.typeName;
  if (!matches) throw new Error(`${desc.typeName}: the frames' case ${name} fits no unary method`);
}
