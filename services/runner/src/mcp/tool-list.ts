import type { Clock } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";

/** A tool as its server tells of it. */
export interface McpTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: { readonly [name: string]: unknown };
  /** The server says that a second call of the same has no further effect. */
  readonly isRepeatable: boolean;
}

/**
 * The tools of a server: asked for when they are first needed, again once the server has said that they changed,
 * and, since many cannot say so, again where the list is old. For that nobody waits: who asks has the old one.
 */
export class ToolList {
  readonly #ask: () => Promise<readonly McpTool[]>;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #listed: Promise<readonly McpTool[]> | undefined;
  #askedMs = 0;

  constructor(ask: () => Promise<readonly McpTool[]>, clock: Pick<Clock, "monotonicMs">) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** @throws where the server does not tell them */
  read(): Promise<readonly McpTool[]> {
    const nowMs = this.#clock.monotonicMs();
    const listed = this.#listed;
    if (listed === undefined) return this.#first(nowMs);
    if (nowMs - this.#askedMs >= LIMITS.mcpToolsMs) this.#renew(listed, nowMs);
    return listed;
  }

  changed(): void {
    this.#listed = undefined;
  }

  #first(nowMs: number): Promise<readonly McpTool[]> {
    this.#askedMs = nowMs;
    const listed = this.#ask();
    this.#listed = listed;
    listed.catch(() => {
      if (this.#listed === listed) this.#listed = undefined;
    });
    return listed;
  }

  /** Where the server does not answer, the old list stands for as long again. */
  #renew(old: Promise<readonly McpTool[]>, nowMs: number): void {
    this.#askedMs = nowMs;
    const listed = this.#ask();
    listed.then(
      () => {
        if (this.#listed === old) this.#listed = listed;
      },
      () => undefined,
    );
  }
}
