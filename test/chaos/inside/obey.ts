import type { Order, Reached } from "./order.ts";

/** From now on this process does what the harness orders. */
export function obey(): void {
  const points = new Points();
  const clock = new ShiftedClock();
  Object.assign(globalThis, { chaosPoint: (name: string) => points.pass(name) });
  process.on("message", (order: Order) => {
    if (order.kind === "arm") points.arm(order);
    else if (order.kind === "disarm") points.disarm();
    else clock.set(order.aheadMs);
  });
}

class Points {
  #armed: (Extract<Order, { kind: "arm" }> & { left: number }) | undefined;

  arm(order: Extract<Order, { kind: "arm" }>): void {
    this.#armed = { ...order, left: order.pass };
  }

  disarm(): void {
    this.#armed = undefined;
  }

  pass(name: string): void {
    const armed = this.#armed;
    if (armed?.point !== name || (armed.left -= 1) > 0) return;
    this.#armed = undefined;
    const reached: Reached = { reached: name };
    // A message is on its way when send returns; a signal to oneself comes before the next statement.
    process.send?.(reached);
    process.kill(process.pid, armed.signal);
  }
}

/** Takes the place of Date, as if somebody had set the machine's clock for this process alone. */
class ShiftedClock {
  #aheadMs = 0;

  constructor() {
    const now = Date.now.bind(Date);
    const shifted = () => now() + this.#aheadMs;
    globalThis.Date = new Proxy(Date, {
      construct: (target, args, as) =>
        Reflect.construct(target, args.length === 0 ? [shifted()] : args, as) as Date,
      apply: () => String(new Date()),
      get: (target, name) => (name === "now" ? shifted : Reflect.get(target, name)),
    });
  }

  set(aheadMs: number): void {
    this.#aheadMs = aheadMs;
  }
}
