/*
 * Aim: a service and the PostgreSQL of its own live and end together.
 * Method: the real service on real servers in temporary folders; ends are made with signals.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { factory } from '../support/factory.js';
import {
  eventually,
  spawnService,
  startService,
  type TestService,
} from '../support/service-process.js';

describe('a service with an embedded PostgreSQL', () => {
  let dataDir: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'meterline-embedded-'));
  });

  afterEach(async () => {
    await rm(dataDir, { recursive: true, force: true });
  });

  const pidFile = (): string => path.join(dataDir, 'postgres', 'postmaster.pid');
  const pid = async (): Promise<number> =>
    Number((await readFile(pidFile(), 'utf8')).split('\n')[0]);
  const events = (service: TestService, name: string): Record<string, unknown>[] =>
    service.log.filter(({ event }) => event === name);

  it.each(['SIGKILL', 'SIGINT'] as const)(
    'starts it again when it has ended by itself (%s), and logs that once',
    async (signal) => {
      const service = await startService('', { METERLINE_DATA_DIR: dataDir });
      try {
        const ingest = async (): Promise<unknown> =>
          await service.post('/api/v1/events', [
            factory.event({ time: new Date().toISOString(), data: {} }),
          ]);
        expect(await ingest()).toMatchObject({ status: 200, body: { accepted: 1 } });
        const dead = await pid();
        process.kill(dead, signal);
        expect(await ingest()).toMatchObject({ status: 200, body: { accepted: 1 } });
        await eventually(
          async () => await Promise.resolve(events(service, 'database.back').length > 0),
        );
        expect(await pid()).not.toBe(dead);
        for (const name of ['database.away', 'database.restarted', 'database.back']) {
          expect(events(service, name)).toHaveLength(1);
        }
        expect(service.log.filter(({ level }) => Number(level) >= 50)).toHaveLength(2);
        expect(await service.kill('SIGTERM')).toBe(0);
        expect(existsSync(pidFile())).toBe(false);
      } finally {
        await service.kill('SIGKILL');
      }
    },
  );

  it('says in a line that its port is taken, and leaves no PostgreSQL behind', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const env = { METERLINE_DATA_DIR: dataDir, PORT: String(port) };
    await expect(startService('', env)).rejects.toThrow(
      `The service ended with 1: Meterline cannot listen on port ${port} of 127.0.0.1: ` +
        'another program listens there. Stop what is there, or set another, such as PORT=3001.\n',
    );
    expect(existsSync(pidFile())).toBe(false);
    await new Promise((resolve) => server.close(resolve));
  });

  it('takes it down when it is told to stop in the middle of its start', async () => {
    const child = spawnService({ METERLINE_DATA_DIR: dataDir, PORT: '0' });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    await eventually(async () => await Promise.resolve(existsSync(pidFile())));
    // A terminal and npm both send what Ctrl-C means.
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect(await gone).toBe(0);
    expect(existsSync(pidFile())).toBe(false);
  });

  it('ends though nobody reads its log any more', async () => {
    const service = await startService('', { METERLINE_DATA_DIR: dataDir });
    try {
      service.process.stdout?.destroy();
      expect(await service.kill('SIGTERM')).toBe(0);
      expect(existsSync(pidFile())).toBe(false);
    } finally {
      await service.kill('SIGKILL');
    }
  });
});
