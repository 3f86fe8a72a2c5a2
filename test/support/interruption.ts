/* How a program that npm runs learns that it shall end before its time. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const LOOK_MS = 250;

/**
 * The first signal, whenever it comes; from now on none of them ends the process by itself. That npm
 * itself is gone counts as SIGHUP, since it hands on the other two only.
 *
 * @param script the one of package.json by which npm runs this program
 */
export async function interruption(script: string): Promise<(typeof SIGNALS)[number]> {
  // A terminal that is closed takes no more words.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => undefined);
  }
  return await new Promise((resolve) => {
    for (const signal of SIGNALS) {
      process.on(signal, resolve);
    }
    if (process.env['npm_lifecycle_event'] === script) {
      const npm = process.ppid;
      setInterval(() => {
        if (process.ppid !== npm) {
          resolve('SIGHUP');
        }
      }, LOOK_MS);
    }
  });
}
