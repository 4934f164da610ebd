import type { DescMessage, DescService } from "@bufbuild/protobuf";
import type { Allow } from "../auth/allow.ts";
import { checkAllow } from "../auth/allow.ts";
import type { CallContext } from "../call/call-context.ts";
import type { BidiHandler, Routes } from "../call/routes.ts";
import { ServerCall } from "../call/server-call.ts";
import type { EncodedMessage } from "../codec.ts";
import { DEFAULT_EXCHANGE_LIMITS, type ExchangeLimits } from "./exchange-limits.ts";
import { exchangeShape, type ExchangeShape, type RequestFrame } from "./exchange-shape.ts";
import { ExchangeSession } from "./exchange-session.ts";
import type { FrameMethod } from "./frame-method.ts";

/** What an Exchange serves: the same handlers and lists as the service's unary methods. */
export interface ExchangeOptions<D extends DescService> {
  readonly desc: D;
  /** The handlers of the unary methods that travel in frames; others are not looked at. */
  readonly routes: Partial<Routes<D>>;
  readonly allow: Allow<D>;
  /** As in ServiceBinding. */
  readonly tenantless?: readonly (keyof D["method"] & string)[];
  readonly limits?: Partial<ExchangeLimits>;
}

type ExchangeOf<D extends DescService> = D["method"]["exchange"] extends {
  input: infer I extends DescMessage;
  output: infer O extends DescMessage;
}
  ? BidiHandler<I, O>
  : never;

/**
 * The handler of a service's `Exchange` method. Each frame is authorized, traced, deadlined,
 * cancelled and measured as the unary call that it stands for, and runs its handler.
 * @throws Error at start-up for an Exchange of another shape, or a case without a handler
 */
export function exchangeHandler<D extends DescService>(options: ExchangeOptions<D>): ExchangeOf<D> {
  const shape = exchangeShape(options.desc);
  if (shape === undefined) throw new Error(`${options.desc.typeName} has no Exchange`);
  checkAllow(options.desc, options.allow);
  const methods = frameMethods(options, shape);
  const limits = { ...DEFAULT_EXCHANGE_LIMITS, ...options.limits };
  const handler = (
    frames: AsyncIterable<RequestFrame>,
    call: CallContext,
  ): AsyncIterable<EncodedMessage> => {
    if (!(call instanceof ServerCall)) throw new Error("an Exchange is served by serveGrpc alone");
    return new ExchangeSession(methods, call, limits, shape).run(frames);
  };
  return handler as unknown as ExchangeOf<D>;
}

function frameMethods<D extends DescService>(
  { desc, routes, allow, tenantless = [] }: ExchangeOptions<D>,
  shape: ExchangeShape,
): ReadonlyMap<string, FrameMethod> {
  const methods = new Map<string, FrameMethod>();
  for (const name of shape.calls.keys()) {
    const handler: unknown = routes[name as keyof Routes<D>];
    const method = desc.method[name];
    if (typeof handler !== "function" || method === undefined) {
      throw new Error(`${desc.typeName}: no handler for ${name}, which comes in frames`);
    }
    methods.set(name, {
      method,
      resultField: shape.results.get(name) ?? 0,
      handler: handler.bind(routes) as FrameMethod["handler"],
      allow: allow[name as keyof Allow<D>],
      needsTenant: !tenantless.includes(name),
    });
  }
  return methods;
}
