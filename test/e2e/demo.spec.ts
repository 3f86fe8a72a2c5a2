/*
 * Aim: the demo's story, which is the product's: a gateway's log becomes paid invoices, and a second
 * run bills nothing twice. Method: the very program, twice on one data directory.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../demo/main.ts', import.meta.url));

describe('npm run demo', () => {
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'meterline-demo-'));
  });

  afterAll(async () => {
    await rm(dataDir, { recursive: true, force: true });
  });

  const demo = async (): Promise<string> => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', MAIN], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], METERLINE_DATA_DIR: dataDir },
    });
    return stdout;
  };
  const section = (report: string, from: string, to: string): string =>
    report.slice(report.indexOf(from), report.indexOf(to));

  it('bills a recorded log, and nothing twice when it is run again', async () => {
    const first = await demo();
    expect(first).toContain('4043 accepted, 0 duplicates, 0 conflicts, 0 rejected');
    // Counted in the log by hand: 2,161 requests of acme's keys, 15 of them 500s; its bytes.
    expect(first).toMatch(/acme +requests +\S+ to \S+ +2146\n/);
    expect(first).toMatch(/acme +egress +\S+ to \S+ +19071656\n/);
    // 19,071,656 × 0.0000009 = 17.1644904 and 2,146 × 0.004 = 8.584, each rounded once.
    expect(first).toMatch(/acme +egress +19071656 +17\.16 usd +paid/);
    expect(first).toMatch(/acme +requests +2146 +8\.58 usd +paid/);
    expect(first).toMatch(/acme +\S+ +74\.74 usd +paid/);
    expect(first).toMatch(/invoice\.paid +4 +4 +4\n/);
    const second = await demo();
    expect(second).toContain('0 accepted, 4043 duplicates, 0 conflicts, 0 rejected');
    expect(section(second, 'Usage, per', 'Webhooks')).toBe(
      section(first, 'Usage, per', 'Webhooks'),
    );
  });
});
