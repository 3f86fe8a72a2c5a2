/*
 * Aim: whoever cannot install the packages is told so, not shown the stack of a script.
 * Method: the script itself in a folder of its own, with an npm that fails.
 */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('../../scripts/install.mjs', import.meta.url));

describe('scripts/install.mjs', () => {
  it('says in plain lines that npm failed', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'meterline-install-'));
    try {
      await mkdir(path.join(root, 'scripts'));
      await copyFile(SCRIPT, path.join(root, 'scripts', 'install.mjs'));
      await writeFile(path.join(root, 'package-lock.json'), '{}');
      const npm = path.join(root, 'npm');
      await writeFile(npm, '#!/bin/sh\necho "npm error network" >&2\nexit 7\n');
      await chmod(npm, 0o755);
      const options = { env: { PATH: `${root}:${process.env['PATH'] ?? ''}` } };
      await expect(
        run(process.execPath, [path.join(root, 'scripts', 'install.mjs')], options),
      ).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^Installing packages …\nnpm error network\nThe packages could not be installed; [^\n]+\nMend [^\n]+\n$/,
        ),
      });
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});
