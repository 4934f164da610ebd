import { expect } from "vitest";
import {
  allowAll,
  type ClientOptions,
  exchangeHandler,
  type ExchangeLimits,
  type PeerName,
  type TlsOptions,
} from "../index.ts";
import {
  type EchoClient,
  echoClient,
  echoRoutes,
  type EchoRoutes,
  type EchoServer,
  startEcho,
} from "./echo.ts";
import { EchoService } from "./gen/lanekeeper/rpctest/v1/echo_service_pb.ts";

interface Options {
  readonly port?: number;
  readonly routes?: Partial<EchoRoutes>;
  readonly limits?: Partial<ExchangeLimits>;
  readonly shoutAllow?: readonly PeerName[];
  readonly tls?: TlsOptions;
}

/** A server whose Echo and Shout also come as frames. */
export function startExchange(options: Options = {}): Promise<EchoServer> {
  const { routes, limits = {}, shoutAllow = ["runner"], port = 0, tls } = options;
  const unary = { ...echoRoutes, ...routes };
  const exchange = exchangeHandler({
    desc: EchoService,
    routes: unary,
    allow: { ...allowAll(EchoService, "runner"), shout: shoutAllow },
    limits,
  });
  return startEcho({
    port,
    routes: { exchange, ...routes },
    ...(tls === undefined ? {} : { tls }),
  });
}

/** A client whose calls travel as frames from the first one that a stream is open for. */
export function framingClient(target: string, options: Partial<ClientOptions> = {}): EchoClient {
  return echoClient(target, {
    ...options,
    exchange: { warmUpCalls: 0, redialMs: 5, maxRedialMs: 20, leavingMs: 20, ...options.exchange },
  });
}

/** Calls until the call of every given server came as a frame. */
export async function untilFramed(client: EchoClient, ...servers: EchoServer[]): Promise<void> {
  await expect
    .poll(async () => {
      await client.echo({});
      return servers.every(({ reports }) => reports.at(-1)?.transport === "exchange");
    })
    .toBe(true);
  for (const { reports } of servers) reports.length = 0;
}
