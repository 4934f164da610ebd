import type { PeerCertificate } from "node:tls";
import type { Peer } from "./peer.ts";

/** What a peer shows. */
export interface Credentials {
  /** The `authorization` metadata; undefined if there is none. */
  readonly authorization: string | undefined;
  /** Any other metadata value, by lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** The peer's certificate where mutual TLS verified one. */
  readonly certificate: () => PeerCertificate | undefined;
}

/**
 * Finds out who calls. serviceTokenAuthenticator reads a token; one that reads the verified
 * certificate's name can take its place without a change anywhere else.
 */
export interface Authenticator {
  /** @throws UNAUTHENTICATED if there is no credential, or none that is known. */
  authenticate(credentials: Credentials): Peer | Promise<Peer>;
  /**
   * Whether the `authorization` is of anybody, before a request is read; counts as no request. Left out where
   * only other services reach the port. @throws as `authenticate` does
   */
  knows?(authorization: string | undefined): Promise<void>;
}
