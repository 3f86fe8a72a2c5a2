import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { limitedSignal } from '../../../src/platform/limited-signal.js';

describe('limitedSignal', () => {
  it('aborts with the reason of the other one, also when that has aborted before', () => {
    const source = new AbortController();
    const { signal } = limitedSignal(source.signal, 60_000);
    expect(signal.aborted).toBe(false);
    source.abort('enough');
    expect(signal.reason).toBe('enough');
    expect(limitedSignal(source.signal, 60_000).signal.reason).toBe('enough');
  });

  it('aborts after a time, and not once it is released', async () => {
    const { signal } = limitedSignal(new AbortController().signal, 1);
    await once(signal, 'abort');
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
    const source = new AbortController();
    const released = limitedSignal(source.signal, 60_000);
    released.release();
    source.abort();
    expect(released.signal.aborted).toBe(false);
  });

  it('is not collected while somebody waits for it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const source = new AbortController();
    const heard = new Promise((resolve) => {
      const { signal } = limitedSignal(source.signal, 60_000);
      signal.addEventListener('abort', resolve, { once: true });
    });
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    source.abort();
    await heard;
  });
});
