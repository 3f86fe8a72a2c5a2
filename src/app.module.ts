import { type DynamicModule, Module } from '@nestjs/common';
import { BillingModule } from './billing/billing.module.js';
import { CustomersModule } from './customers/customers.module.js';
import { EventsModule } from './events/events.module.js';
import { MetersModule } from './meters/meters.module.js';
import { PlatformModule, type PlatformOptions } from './platform/platform.module.js';
import { PricingModule } from './pricing/pricing.module.js';
import { SourcesModule } from './sources/sources.module.js';
import { StripeModule } from './stripe/stripe.module.js';
import { UsageModule } from './usage/usage.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

@Module({})
export class AppModule {
  static with(options: PlatformOptions): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(options),
        CustomersModule,
        MetersModule,
        EventsModule,
        SourcesModule,
        UsageModule,
        PricingModule,
        WebhooksModule,
        StripeModule,
        BillingModule,
      ],
    };
  }
}
