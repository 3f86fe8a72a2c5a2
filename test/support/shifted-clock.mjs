/* Loaded before a program whose machine's clock is to be off by CLOCK_SHIFT_MS: ahead, or behind when it is below zero. */
const shiftMs = Number(process.env['CLOCK_SHIFT_MS']);
const trueNow = Date.now;
const now = () => trueNow() + shiftMs;

globalThis.Date = new Proxy(Date, {
  construct: (target, given, newTarget) =>
    Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget),
  get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
});
