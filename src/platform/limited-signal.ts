/** A signal, and what to call when nobody waits for it any more. */
export interface LimitedSignal {
  readonly signal: AbortSignal;
  readonly release: () => void;
}

/**
 * A signal that aborts when another one does, or after a time, then with a TimeoutError. Not
 * AbortSignal.any: Node 20 holds what that makes weakly, and may collect it before it aborts, though
 * somebody waits for it.
 */
export function limitedSignal(of: AbortSignal, maxMs: number): LimitedSignal {
  const controller = new AbortController();
  const forward = (): void => {
    clearTimeout(timer);
    controller.abort(of.reason);
  };
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`The timeout of ${maxMs} ms is over.`, 'TimeoutError'));
  }, maxMs);
  of.addEventListener('abort', forward, { once: true });
  if (of.aborted) {
    forward();
  }
  return {
    signal: controller.signal,
    release: () => {
      clearTimeout(timer);
      of.removeEventListener('abort', forward);
    },
  };
}
