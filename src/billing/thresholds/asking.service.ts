/* Looks up what a request for a threshold names. Reads only. */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { invalidField } from '../../kernel/errors.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type AskedThreshold, readThreshold } from './asked-threshold.js';
import { type NewThreshold } from './threshold.js';

/** A request with names in place of what they stand for. */
export type NamedRequest = Omit<AskedThreshold, 'customerId' | 'planId' | 'meter'> & {
  readonly customer: string | null;
  readonly plan: string | null;
  readonly meter: string | null;
};

@Injectable()
export class AskingService {
  constructor(
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
  ) {}

  /** @throws DomainError invalid, with the field that names nothing or does not go with the others */
  async read({ customer, plan, meter, ...request }: NamedRequest): Promise<NewThreshold> {
    const found = {
      customer: customer === null ? null : await this.customers.find(customer),
      plan: plan === null ? null : await this.plans.find(plan),
      meter: meter === null ? null : await this.meters.find(meter),
    };
    for (const [field, name] of Object.entries({ customer, plan, meter })) {
      if (name !== null && found[field as keyof typeof found] === null) {
        throw invalidField(field, `unknown_${field}`, `there is no ${field} '${name}'`);
      }
    }
    return readThreshold({
      ...request,
      customerId: found.customer?.id ?? null,
      planId: found.plan?.id ?? null,
      meter: found.meter,
    });
  }
}
