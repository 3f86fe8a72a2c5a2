/*
 * Settles values that a meter could not read. A repair is a replacement of the event, under the lock
 * of its key, and nothing is written here: the row is seen as repaired because the correction is there.
 */
import { Injectable } from '@nestjs/common';
import { CorrectionsService } from '../events/corrections.service.js';
import { settledOtherwise } from '../events/put-aside.js';
import { type UsageEvent } from '../events/usage-event.js';
import { Clock } from '../kernel/clock.js';
import { invalidField, notFound } from '../kernel/errors.js';
import { type Meter, propertyOf } from '../meters/meter.js';
import { MetersReader } from '../meters/meters.reader.js';
import { parsePropertyPath } from '../kernel/property-path.js';
import { Database } from '../platform/database/database.js';
import { type Page } from '../platform/http/page.js';
import {
  type Amendment,
  amended,
  type QuarantineCount,
  type QuarantinedValue,
} from './quarantined-value.js';
import { type QuarantineFilter, QuarantineStore } from './quarantine.store.js';

const ID = /^\d{1,18}$/;

/** With the meter's key, which is how people know it. */
export type Named<Thing> = Thing & { readonly meterKey: string };

/** A filter as callers put it: the meter by id or key. */
export type QuarantineRequest = Omit<QuarantineFilter, 'meter'> & { readonly meter: string | null };

@Injectable()
export class QuarantineService {
  private readonly listeners: ((subject: string) => Promise<void>)[] = [];

  constructor(
    private readonly store: QuarantineStore,
    private readonly corrections: CorrectionsService,
    private readonly meters: MetersReader,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async list(
    request: QuarantineRequest,
    limit: number,
    before: string | null,
  ): Promise<Page<Named<QuarantinedValue>>> {
    const page = await this.store.list(await this.toFilter(request), limit, before);
    return { ...page, items: await this.named(page.items) };
  }

  async count(request: QuarantineRequest): Promise<Named<QuarantineCount>[]> {
    return await this.named(await this.store.count(await this.toFilter(request)));
  }

  /** Calls back after a value was repaired or dismissed here, with the subject of its event. */
  onSettled(listener: (subject: string) => Promise<void>): void {
    this.listeners.push(listener);
  }

  /**
   * Lets the event count with a value, or with data, that the meter can read.
   *
   * @throws DomainError not_found; invalid, also when the meter cannot read it; conflict `already_settled`
   */
  async repair(id: string, amendment: Amendment, by: string): Promise<Named<QuarantinedValue>> {
    const repaired = await this.database.transaction(async () => {
      const { source, eventId, meterKey } = await this.get(id);
      const meter = await this.meters.get(meterKey);
      const note = {
        reason: `The ${amendment.field} that ${meterKey} could not read was repaired.`,
        by,
      };
      await this.corrections.replace(
        { source, id: eventId },
        async (standing) => {
          // Looked at again under the lock of the event: nobody corrects it meanwhile.
          const { state } = (await this.get(id)).settlement;
          if (state !== 'open' || standing.kind === 'voided') {
            throw settledOtherwise('quarantined value', id, state);
          }
          return await this.amend(standing.event, amendment, meter);
        },
        note,
      );
      return await this.get(id);
    });
    return await this.told(repaired);
  }

  /** Nothing is to be counted of it. @throws DomainError not_found; conflict `already_settled` */
  async dismiss(id: string, reason: string, by: string): Promise<Named<QuarantinedValue>> {
    const { settlement } = await this.get(id);
    if (settlement.state === 'repaired') {
      throw settledOtherwise('quarantined value', id, 'repaired');
    }
    if (settlement.state === 'open') {
      await this.store.dismiss(id, reason, by, this.clock.now());
    }
    return await this.told(await this.get(id));
  }

  private async told<Value extends QuarantinedValue>(value: Value): Promise<Value> {
    for (const listener of this.listeners) {
      await listener(value.subject);
    }
    return value;
  }

  private async amend(event: UsageEvent, amendment: Amendment, meter: Meter): Promise<UsageEvent> {
    const property = propertyOf(meter.aggregation);
    if (property === null && amendment.field === 'value') {
      const detail = `the meter '${meter.key}' computes its value; send the whole data`;
      throw invalidField('value', 'no_place', detail);
    }
    const next = amended(event, amendment, parsePropertyPath(property) ?? []);
    if (!(await this.store.isReadable(meter, next))) {
      const where = property === null ? 'what it computes' : `what stands at ${property}`;
      const detail = `the meter '${meter.key}' cannot count ${where}`;
      throw invalidField(amendment.field, 'not_readable', detail);
    }
    return next;
  }

  private async get(id: string): Promise<Named<QuarantinedValue>> {
    const found = ID.test(id) ? await this.store.find(id) : null;
    const [named] = await this.named(found === null ? [] : [found]);
    if (named === undefined) {
      throw notFound('quarantined value', id);
    }
    return named;
  }

  private async toFilter(request: QuarantineRequest): Promise<QuarantineFilter> {
    if (request.meter === null) {
      return { ...request, meter: null };
    }
    const meter = await this.meters.find(request.meter);
    if (meter === null) {
      throw invalidField('meter', 'not_found', `there is no meter '${request.meter}'`);
    }
    return { ...request, meter: meter.number };
  }

  private async named<Thing extends { readonly meter: number }>(
    things: readonly Thing[],
  ): Promise<Named<Thing>[]> {
    const keys = new Map((await this.meters.all()).map(({ number, key }) => [number, key]));
    return things.map((thing) => ({ ...thing, meterKey: keys.get(thing.meter) ?? '' }));
  }
}
