import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../../support/programs.js';
import { type FromSender, type Job, type LoadResult, type ToSender } from './job.js';

const SENDER = fileURLToPath(new URL('sender.ts', import.meta.url));

/** The process that sends the load, from here. */
export class LoadGenerator {
  private constructor(private readonly sender: ChildProcess) {}

  static async start(): Promise<LoadGenerator> {
    const { process: sender } = await startProgram(
      'The load generator',
      ['--import', 'tsx', SENDER],
      {},
      (line) => line['ready'],
    );
    return new LoadGenerator(sender);
  }

  /**
   * Makes the requests of a job.
   *
   * @returns sends them
   */
  async prepare(job: Job): Promise<() => Promise<LoadResult>> {
    await this.ask({ prepare: job });
    return async () => {
      const answer = await this.ask({ go: true });
      if (!('done' in answer)) {
        throw new Error('The load generator has answered out of turn');
      }
      return answer.done;
    };
  }

  private async ask(message: ToSender): Promise<FromSender> {
    const waiting = new AbortController();
    const answered = once(this.sender, 'message', { signal: waiting.signal });
    const end = (): void => {
      waiting.abort(new Error('The load generator has ended'));
    };
    this.sender.once('exit', end);
    this.sender.send(message);
    const [answer] = (await answered) as [FromSender];
    this.sender.off('exit', end);
    if ('failed' in answer) {
      throw new Error(answer.failed);
    }
    return answer;
  }
}
