import {
  type ChannelCredentials,
  credentials,
  experimental,
  ServerCredentials,
} from "@grpc/grpc-js";

/** TLS material, PEM. Without it traffic is plain, as on loopback or inside a mesh. */
export interface TlsOptions {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Trusted roots; on a server with `requireClientCertificate`, those of its clients. */
  readonly ca?: Buffer;
  /** Mutual TLS: a client without a certificate that `ca` vouches for is not served. */
  readonly requireClientCertificate?: boolean;
}

/**
 * Mutual TLS from PEM files, which are read again every `refreshMs`: connections made after that use
 * what they hold then, those that stand go on. Replace certificate and key together, by rename; while
 * they do not fit each other or cannot be read, no new connection is made.
 */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Trusted roots. A server without them asks its clients for no certificate. */
  readonly caFile: string | undefined;
  /** Default 10 s. */
  readonly refreshMs?: number;
}

const REFRESH_MS = 10_000;

function watched({ certFile, keyFile, caFile, refreshMs = REFRESH_MS }: TlsFiles) {
  return new experimental.FileWatcherCertificateProvider({
    certificateFile: certFile,
    privateKeyFile: keyFile,
    ...(caFile === undefined ? {} : { caCertificateFile: caFile }),
    refreshIntervalMs: refreshMs,
  });
}

function isFiles(tls: object): tls is TlsFiles {
  return "certFile" in tls;
}

/** What a server may be given. */
export type ServerTls = TlsOptions | TlsFiles;

export function serverCredentials(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  if (isFiles(tls)) {
    const files = watched(tls);
    const isMutual = tls.caFile !== undefined;
    return experimental.createCertificateProviderServerCredentials(
      files,
      isMutual ? files : null,
      isMutual,
    );
  }
  const pair = { private_key: tls.key, cert_chain: tls.cert };
  return ServerCredentials.createSsl(tls.ca ?? null, [pair], tls.requireClientCertificate ?? false);
}

/** A client may trust a root without showing a certificate of its own. */
export type ClientTlsOptions = Pick<TlsOptions, "ca"> & Partial<Pick<TlsOptions, "key" | "cert">>;

/** What a client may be given. */
export type ClientTls = ClientTlsOptions | TlsFiles;

export function channelCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  if (isFiles(tls)) {
    const files = watched(tls);
    return experimental.createCertificateProviderChannelCredentials(files, files);
  }
  return credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}
