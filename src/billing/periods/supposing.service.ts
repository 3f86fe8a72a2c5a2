/* What a preview is told to suppose, by names, as quantities of the prices that a period has. */
import { Injectable } from '@nestjs/common';
import { type Decimal } from '../../kernel/decimal.js';
import { DomainError } from '../../kernel/errors.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { type BillingPeriod } from './billing-period.js';
import { type SupposedQuantities } from './rating.service.js';
import { quantitiesByPrice, type SupposedUsage } from './supposed-usage.js';

/** A quantity to suppose for the whole period. */
export interface AskedQuantity {
  readonly of:
    /** The key of a price. */
    | { readonly kind: 'price'; readonly price: string }
    /** A meter, by id or key: all prices by it. */
    | { readonly kind: 'meter'; readonly meter: string };
  readonly quantity: Decimal;
}

@Injectable()
export class SupposingService {
  constructor(
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
  ) {}

  /** @throws DomainError invalid when a quantity is of nothing that the plan of the period charges for */
  async suppose(
    asked: readonly AskedQuantity[],
    period: BillingPeriod,
  ): Promise<SupposedQuantities> {
    const supposed: SupposedUsage[] = [];
    for (const { of, quantity } of asked) {
      supposed.push(
        of.kind === 'price'
          ? { of, quantity }
          : { of: { kind: 'meter', meterId: await this.meterId(of.meter) }, quantity },
      );
    }
    const { prices } = await this.plans.version(period.planVersionId);
    const { quantities, errors } = quantitiesByPrice(supposed, prices);
    if (errors.length > 0) {
      const detail = errors.map((error) => `${error.field}: ${error.detail}`).join('; ');
      throw new DomainError('invalid', 'invalid_request', detail, { errors });
    }
    return quantities;
  }

  private async meterId(idOrKey: string): Promise<string | null> {
    return (await this.meters.find(idOrKey))?.id ?? null;
  }
}
