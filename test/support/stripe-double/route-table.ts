import { accountRoutes } from './account-route.js';
import { creditNoteRoutes } from './credit-notes.js';
import { customerRoutes } from './customers.js';
import { eventRoutes } from './events.js';
import { invoiceItemRoutes } from './invoice-items.js';
import { invoiceRoutes } from './invoices.js';
import { meterRoutes } from './meters.js';
import { meterEventRoutes } from './meter-events.js';
import { paymentMethodRoutes } from './payment-methods.js';
import { testClockRoutes } from './test-clocks.js';
import type { Route } from './routes.js';
import { subscriptionRoutes } from './subscriptions.js';

/** The whole API of this double. */
export const routes: Route[] = [
  ...accountRoutes,
  ...customerRoutes,
  ...paymentMethodRoutes,
  ...invoiceItemRoutes,
  ...invoiceRoutes,
  ...creditNoteRoutes,
  ...subscriptionRoutes,
  ...meterRoutes,
  ...meterEventRoutes,
  ...eventRoutes,
  ...testClockRoutes,
];
