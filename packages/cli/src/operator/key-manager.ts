import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type ApiKeyClient, createApiKeyClient } from "@lanekeeper/client";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { serviceCredential } from "@lanekeeper/rpc";
import { awaitService } from "./await-service.ts";
import { openOperator } from "./open-operator.ts";
import { peerTargets } from "./peer.ts";

type Methods = (typeof ApiKeyService)["method"];

/** Manages the keys of one tenant. */
export type KeyManager = Disposable & {
  readonly [K in keyof Methods]: (
    request: MessageInitShape<Methods[K]["input"]>,
  ) => Promise<MessageShape<Methods[K]["output"]>>;
};

/** Nobody waits for ingress to come up in order to make a key. */
const ANSWERS_WITHIN_MS = 2_000;

/**
 * Without a tenant, as the key of this environment, which is of one and needs the scope `admin`. With
 * one, as the operator of the whole installation, by the cluster secret: nobody has a key of a tenant
 * before its first is made.
 */
export async function openKeyManager(tenant: string | undefined): Promise<KeyManager> {
  return tenant === undefined ? byKey() : bySecret(tenant);
}

async function byKey(): Promise<KeyManager> {
  const operator = await openOperator();
  const { createApiKey, listApiKeys, rotateApiKey, revokeApiKey } = ApiKeyService.method;
  return {
    createApiKey: (request) => operator.call(createApiKey, request),
    listApiKeys: (request) => operator.call(listApiKeys, request),
    rotateApiKey: (request) => operator.call(rotateApiKey, request),
    revokeApiKey: (request) => operator.call(revokeApiKey, request),
    [Symbol.dispose]: () => undefined,
  };
}

async function bySecret(tenant: string): Promise<KeyManager> {
  const { ingress: target, clusterSecret } = await peerTargets();
  const client: ApiKeyClient = createApiKeyClient({
    target,
    credential: serviceCredential("cli", clusterSecret),
    defaults: { tenant, principal: "cli" },
  });
  try {
    const bounds = { firstMs: ANSWERS_WITHIN_MS, withinMs: ANSWERS_WITHIN_MS };
    await awaitService(client, { service: "ingress", tell: () => undefined, bounds });
  } catch (error) {
    client.$close();
    throw error;
  }
  return {
    createApiKey: (request) => client.createApiKey(request),
    listApiKeys: (request) => client.listApiKeys(request),
    rotateApiKey: (request) => client.rotateApiKey(request),
    revokeApiKey: (request) => client.revokeApiKey(request),
    [Symbol.dispose]: () => client.$close(),
  };
}
