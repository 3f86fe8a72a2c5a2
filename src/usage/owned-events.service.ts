/* Tells whose events are whose, where events are listed: events know subjects, and no customers. */
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CustomersReader } from '../customers/customers.reader.js';
import { EventsReader } from '../events/events.reader.js';
import { type OwnedSpan } from '../events/subject-span.js';
import { invalidField } from '../kernel/errors.js';

@Injectable()
export class OwnedEventsService implements OnModuleInit {
  constructor(
    private readonly events: EventsReader,
    private readonly customers: CustomersReader,
  ) {}

  onModuleInit(): void {
    this.events.askOwnership(async (customer) => await this.spansOf(customer));
  }

  private async spansOf(idOrKey: string): Promise<OwnedSpan[]> {
    const customer = await this.customers.find(idOrKey);
    if (customer === null) {
      throw invalidField('customer', 'unknown_customer', `there is no customer '${idOrKey}'`);
    }
    const owned = await this.customers.subjectsOf(customer.id);
    return owned.map(({ subject, startsAt, endsAt }) => ({
      subject,
      start: startsAt,
      end: endsAt,
    }));
  }
}
