/* What was used of a meter in the billing period of a stream, and in those before it. Reads only. */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { type Interval } from '../../kernel/interval.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { MAX_AGE_MS } from './meter-event.js';
import { type Stream, type StreamContext } from './stream.js';
import { StreamsStore } from './streams.store.js';

/** How often periods that are over are measured again, for what came late. */
const REMEASURE_MS = 86_400_000;
const NOTHING = decimal('0');

export interface Measured {
  readonly stream: Stream;
  readonly quantity: Decimal;
  /** Of the billing period as it is now; null when it was taken back. */
  readonly window: Interval | null;
}

@Injectable()
export class QuantitiesService {
  constructor(
    private readonly streams: StreamsStore,
    private readonly usage: UsageReader,
    private readonly meters: MetersReader,
  ) {}

  /** The stream itself, and once a day those before it that ended in the last 35 days. */
  async measure(stream: Stream, context: StreamContext, now: Date): Promise<Measured[]> {
    const earlier = await this.streams.listToRemeasure(
      stream,
      new Date(now.getTime() - MAX_AGE_MS),
      new Date(now.getTime() - REMEASURE_MS),
    );
    const measured = [await this.quantityOf(stream, context)];
    for (const one of earlier) {
      measured.push(await this.quantityOf(one, await this.streams.contextOf(one)));
    }
    return measured;
  }

  private async quantityOf(stream: Stream, { window, pauses }: StreamContext): Promise<Measured> {
    if (window === null) {
      return { stream, quantity: NOTHING, window };
    }
    const meter = await this.meters.get(stream.meterId);
    const asked = { window, except: pauses };
    const [quantity = NOTHING] = await this.usage.quantitiesOf(
      [{ meter }],
      stream.customerId,
      asked,
    );
    return { stream, quantity, window };
  }
}
