import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** A key with a certificate for it, PEM. */
export interface Identity {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** Who signs certificates, and its own. */
export interface Authority extends Identity {
  readonly name: string;
  readonly privateKey: KeyObject;
}

/** DER (X.690): a tag, a length, a content. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

const sequence = (...contents: Uint8Array[]) => der(0x30, ...contents);
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const time = (text: string) => der(0x18, Buffer.from(text));
const ECDSA_WITH_SHA256 = sequence(oid("2a8648ce3d040302"));
const COMMON_NAME = oid("550403");
const SUBJECT_ALT_NAME = oid("551d11");
const BASIC_CONSTRAINTS = oid("551d13");

const commonName = (name: string) =>
  sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))));

/** An X.509 v3 certificate (RFC 5280) for localhost, as short as TLS takes it. */
function certificate(
  subject: string,
  issuer: string,
  publicKey: KeyObject,
  signer: KeyObject,
  authority: boolean,
): Buffer {
  const serial = der(0x02, Buffer.from([authority ? 1 : 2]));
  const names = sequence(
    der(0x82, Buffer.from("localhost")),
    der(0x87, Buffer.from([127, 0, 0, 1])),
  );
  const constraints = sequence(...(authority ? [der(0x01, Buffer.from([0xff]))] : []));
  const extensions = sequence(
    sequence(SUBJECT_ALT_NAME, der(0x04, names)),
    sequence(BASIC_CONSTRAINTS, der(0x04, constraints)),
  );
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    serial,
    ECDSA_WITH_SHA256,
    commonName(issuer),
    sequence(time("20200101000000Z"), time("21200101000000Z")),
    commonName(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = der(0x03, Buffer.from([0]), sign("sha256", body, signer));
  return pem("CERTIFICATE", sequence(body, ECDSA_WITH_SHA256, signature));
}

function pem(label: string, bytes: Buffer): Buffer {
  const base64 = bytes.toString("base64").replace(/.{1,64}/g, "$&\n");
  return Buffer.from(`-----BEGIN ${label}-----\n${base64}-----END ${label}-----\n`);
}

const keyPem = (key: KeyObject) => Buffer.from(key.export({ type: "pkcs8", format: "pem" }));

export function createAuthority(name: string): Authority {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const cert = certificate(name, name, publicKey, privateKey, true);
  return { name, privateKey, key: keyPem(privateKey), cert };
}

/** A key and a certificate for `subject`, at localhost. */
export function createIdentity(authority: Authority, subject: string): Identity {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const cert = certificate(subject, authority.name, publicKey, authority.privateKey, false);
  return { key: keyPem(privateKey), cert };
}
