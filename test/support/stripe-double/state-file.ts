import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import type { Account } from './account.js';

/**
 * The account kept in one JSON file. A save replaces the file whole (write aside, then rename), so a
 * killed process leaves either the state before or the state after. Saves asked for while one is being
 * written share the next one.
 */
export class StateFile {
  private writing: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly account: Account,
  ) {}

  load(): void {
    if (existsSync(this.path)) {
      this.account.restore(JSON.parse(readFileSync(this.path, 'utf8')));
    }
  }

  /** Resolves when everything done before this call is in the file. */
  async save(): Promise<void> {
    if (this.writing !== undefined) {
      this.next ??= this.afterCurrent();
      return await this.next;
    }
    this.writing = this.write().finally(() => {
      this.writing = undefined;
    });
    return await this.writing;
  }

  private async afterCurrent(): Promise<void> {
    await this.writing?.catch(() => undefined);
    this.next = undefined;
    return await this.save();
  }

  private async write(): Promise<void> {
    const text = JSON.stringify(this.account.snapshot());
    await writeFile(`${this.path}.new`, text);
    await rename(`${this.path}.new`, this.path);
  }
}
