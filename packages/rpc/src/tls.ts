import { type ChannelCredentials, credentials, ServerCredentials } from "@grpc/grpc-js";

/** TLS material, PEM. Without it traffic is plain, as on loopback or inside a mesh. */
export interface TlsOptions {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Trusted roots; on a server with `requireClientCertificate`, those of its clients. */
  readonly ca?: Buffer;
  /** Mutual TLS: a client without a certificate that `ca` vouches for is not served. */
  readonly requireClientCertificate?: boolean;
}

export function serverCredentials(tls: TlsOptions | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { private_key: tls.key, cert_chain: tls.cert };
  return ServerCredentials.createSsl(tls.ca ?? null, [pair], tls.requireClientCertificate ?? false);
}

/** A client may trust a root without showing a certificate of its own. */
export type ClientTlsOptions = Pick<TlsOptions, "ca"> & Partial<Pick<TlsOptions, "key" | "cert">>;

export function channelCredentials(tls: ClientTlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}
