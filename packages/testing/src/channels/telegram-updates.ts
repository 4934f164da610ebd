interface Update {
  readonly update_id: number;
}

/** A request for updates that is being held. */
interface Held {
  readonly offset: number;
  readonly answer: (said: object) => void;
  readonly timer: NodeJS.Timeout;
}

const CONFLICT = {
  ok: false,
  error_code: 409,
  description: "Conflict: terminated by other getUpdates request",
};

/** A bot's updates, given as Telegram gives them: one request at a time, or to a webhook. */
export class TelegramUpdates {
  readonly #waiting: Update[] = [];
  #held: Held | undefined;
  #webhook: { readonly url: string; readonly secret: string } | undefined;
  #conflicts = 0;

  /** Updates that nobody has confirmed. */
  get unconfirmed(): readonly Update[] {
    return this.#waiting;
  }

  /** How often a request ended another. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** Whether a request for updates is being held. */
  get isAsked(): boolean {
    return this.#held !== undefined;
  }

  /** A new update, for whoever asks. */
  push(update: Update): void {
    this.#waiting.push(update);
    this.#tell();
  }

  /** Takes away what nobody has confirmed, as `drop_pending_updates` does. */
  drop(): void {
    this.#waiting.splice(0);
  }

  /** Posts an update to the webhook as Telegram does; resolves to the status it is answered with. */
  async post(update: Update): Promise<number> {
    if (this.#webhook === undefined) throw new Error("no webhook is set");
    const { url, secret } = this.#webhook;
    const headers = {
      "content-type": "application/json",
      "x-telegram-bot-api-secret-token": secret,
    };
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(update) });
    await answer.arrayBuffer();
    return answer.status;
  }

  /** What a method that is about updates is answered; undefined: another method. */
  answer(method: string, fields: FormData): Promise<object> | object | undefined {
    switch (method) {
      case "setWebhook":
        this.#webhook = { url: text(fields, "url"), secret: text(fields, "secret_token") };
        return { ok: true, result: true };
      case "getUpdates":
        return this.#ask(Number(text(fields, "offset") || 0), Number(text(fields, "timeout") || 0));
      default:
        return undefined;
    }
  }

  close(): void {
    this.#end({ ok: true, result: [] });
  }

  #ask(offset: number, timeoutS: number): Promise<object> {
    if (this.#held !== undefined) this.#conflicts += 1;
    this.#end(CONFLICT);
    const confirmed = this.#waiting.filter(({ update_id }) => update_id < offset);
    for (const update of confirmed) this.#waiting.splice(this.#waiting.indexOf(update), 1);
    return new Promise((answer) => {
      const timer = setTimeout(() => this.#end({ ok: true, result: [] }), timeoutS * 1_000);
      this.#held = { offset, answer, timer };
      this.#tell();
    });
  }

  #tell(): void {
    if (this.#waiting.length > 0) this.#end({ ok: true, result: [...this.#waiting] });
  }

  #end(said: object): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    clearTimeout(held.timer);
    held.answer(said);
  }
}

function text(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}
