import { stat } from "node:fs/promises";
import { join } from "node:path";
import {
  eventually,
  startConstellation,
  startWebhookSink,
  type TestConstellation,
  type WebhookSink,
} from "@lanekeeper/testing";
import { afterAll, beforeAll } from "vitest";
import { keptDataDir } from "../../support/data-dir.ts";
import { type Document, openDocument } from "../../support/document.ts";
import type { HeldRights } from "../../support/held-rights.ts";

export const IDENTITY = "identity.v1.SessionIdentityService";
export const RUNNER = "runner.v1.RunnerService";
export const DELIVERY = "delivery.v1.DeliveryService";
/** The conversation of docs/adapters.md. */
export const GROUP = "agent:main:telegram:group:-4242";

interface Ref {
  readonly sessionId: string;
  readonly generation: string;
}

interface Delivery {
  readonly deliveryId: string;
}

/** The constellation beside which the pages are pasted, on a data dir that outlives its stops. */
export class Guide {
  #held: HeldRights | undefined;
  #data: Awaited<ReturnType<typeof keptDataDir>> | undefined;
  #sink: WebhookSink | undefined;
  #lanekeeper: TestConstellation | undefined;

  constructor() {
    beforeAll(async () => {
      this.#data = await keptDataDir();
      this.#sink = await startWebhookSink();
      await this.start();
    });
    afterAll(async () => {
      await this.#lanekeeper?.stop();
      await this.#sink?.[Symbol.asyncDispose]();
      await this.#data?.[Symbol.asyncDispose]();
    });
  }

  get lanekeeper(): TestConstellation {
    return started(this.#lanekeeper);
  }

  /** Where the routes of the pages lead. */
  get sink(): WebhookSink {
    return started(this.#sink);
  }

  get dataDir(): string {
    return started(this.#data).path;
  }

  /** Of before the backup. */
  get held(): HeldRights {
    return started(this.#held);
  }

  set held(held: HeldRights) {
    this.#held = held;
  }

  /** Once more, where it was stopped. */
  async start(): Promise<void> {
    this.#lanekeeper = await startConstellation({
      dataDir: this.dataDir,
      env: {
        LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8",
        WEBHOOK_SECRET_HELPDESK: "whsec_bGFuZWtlZXBlci1ndWlkZS1zZWNyZXQtMDE=",
      },
    });
  }

  async resolve(rawKey: string): Promise<Ref> {
    const { session } = await this.lanekeeper.call(`${IDENTITY}/ResolveSession`, { rawKey });
    return (session as { ref: Ref }).ref;
  }

  /** The deliveries of the group in a state, once there is one. */
  deliveries(state: string): Promise<Delivery[]> {
    const list = async () => {
      const request = { sessionKey: GROUP, state: `DELIVERY_STATE_${state}` };
      const { deliveries: found } = await this.lanekeeper.call(
        `${DELIVERY}/ListDeliveries`,
        request,
      );
      return found as Delivery[] | undefined;
    };
    return eventually(list, { timeoutMs: 30_000, what: `a reply is ${state}` });
  }

  /** Nobody else of the machine may read a file of the data dir. */
  async isMine(file: string): Promise<boolean> {
    return ((await stat(join(this.dataDir, file))).mode & 0o077) === 0;
  }

  /** What each of some blocks says, pasted one after the other into one shell. */
  async paste(document: Document, blocks: readonly string[]): Promise<string[]> {
    const whole = blocks.map((block) => `echo '=== block'\n${block}`).join("\n");
    const said = await document.paste(whole, { "https://bot.example.org/replies": this.sink.url });
    return said.split("=== block\n").slice(1);
  }

  /** Of docs/operations/backup.md, for the constellation as it is now, or was before it stopped. */
  backupBlock(index: number): Promise<string> {
    const page = openDocument("docs/operations/backup.md", this.lanekeeper);
    const block = page.blocks("sh")[index];
    if (block === undefined) throw new Error(`there is no block ${index}`);
    return page.paste(block);
  }
}

function started<T>(what: T | undefined): T {
  if (what === undefined) throw new Error("an earlier page makes it, or the first one's set-up");
  return what;
}
