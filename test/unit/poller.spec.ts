/*
 * Aim: a stop waits for the work that each poller is doing, and not for one after the other.
 * Method: pollers in modules of their own, which Nest takes down one by one; each always has more to do.
 */
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Config } from '../../src/platform/config.js';
import { Outage } from '../../src/platform/database/outage.js';
import { Poller } from '../../src/platform/jobs/poller.js';
import { testConfig } from '../support/config.js';

const CONFIG = 'config';

@Injectable()
class Endless extends Poller {
  pieces = 0;
  private finish: (() => void) | null = null;

  constructor(@Inject(CONFIG) config: Config, @Inject(Outage) outage: Outage) {
    super('endless', config, outage);
  }

  /** Lets the piece under way end. */
  end(): void {
    this.finish?.();
  }

  protected override async runOnce(): Promise<number> {
    this.pieces += 1;
    await new Promise<void>((resolve) => {
      this.finish = resolve;
    });
    return 1;
  }
}

const outage = { isOn: false } as Outage;
const providers = [
  { provide: CONFIG, useFactory: () => testConfig() },
  { provide: Outage, useValue: outage },
];

@Injectable()
class First extends Endless {}

@Injectable()
class Second extends Endless {}

@Module({ providers: [...providers, First] })
class FirstModule {}

@Module({ imports: [FirstModule], providers: [...providers, Second] })
class SecondModule {}

describe('pollers that are busy', () => {
  it.each([
    ['first', First, Second],
    ['second', Second, First],
  ])('end their piece of work when the service stops, the %s one sooner', async (_, One, Other) => {
    const app = await NestFactory.createApplicationContext(SecondModule, { logger: false });
    const [one, other]: [Endless, Endless] = [app.get(One), app.get(Other)];
    one.look();
    other.look();
    const closed = app.close();
    // Until Nest waits for one of the two.
    await new Promise((resolve) => setImmediate(resolve));
    for (const poller of [one, other, one, other]) {
      poller.end();
      poller.look();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect([one.pieces, other.pieces]).toEqual([1, 1]);
  });
});
