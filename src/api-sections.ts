import { type ApiSection } from './platform/http/documentation.js';

/** The headings of the API's documentation, in the order in which somebody new needs them. */
export const API_SECTIONS: readonly ApiSection[] = [
  {
    name: 'Usage events',
    description: 'What gateways send, and what became of it.',
    paths: ['/api/v1/events'],
  },
  {
    name: 'Sources',
    description: 'Gateways that send records of their own form, and what these mean.',
    paths: ['/api/v1/sources'],
  },
  {
    name: 'Clients of other services',
    description: 'Paths that their clients call, once their base URL points here.',
    paths: ['/compat', '/v1', '/v2'],
  },
  {
    name: 'Customers',
    description: 'Who pays, and whose usage is theirs from when on.',
    paths: ['/api/v1/customers', '/api/v1/customer-standings'],
  },
  {
    name: 'Meters',
    description: 'What is counted, and how much there is of it.',
    paths: ['/api/v1/meters', '/api/v1/usage'],
  },
  {
    name: 'Plans',
    description: 'Prices, in immutable versions.',
    paths: ['/api/v1/plans'],
  },
  {
    name: 'Subscriptions',
    description: 'Who is on which plan, and what that would cost now.',
    paths: ['/api/v1/subscriptions'],
  },
  {
    name: 'Billing periods',
    description: 'Spans of a subscription that are billed together, and their closing.',
    paths: ['/api/v1/billing-periods'],
  },
  {
    name: 'Late usage',
    description: 'What came after its billing period had closed and is not billed by itself.',
    paths: ['/api/v1/late-usage'],
  },
  {
    name: 'Line items',
    description: 'The ledger: what was billed, why so much, and whether Stripe has it.',
    paths: ['/api/v1/line-items'],
  },
  {
    name: 'Invoices',
    description: 'What line items became at Stripe.',
    paths: ['/api/v1/invoices'],
  },
  {
    name: 'Reconciliation',
    description: 'The ledger beside Stripe, line by line, and what to do about what differs.',
    paths: ['/api/v1/reconciliations'],
  },
  {
    name: 'Stripe',
    description: 'What Stripe tells, and how it was followed.',
    paths: ['/api/v1/provider-events', '/webhooks/stripe'],
  },
  {
    name: 'Webhooks',
    description: 'Who is told what, and what was delivered.',
    paths: ['/api/v1/webhook-endpoints', '/api/v1/webhook-messages', '/api/v1/webhook-deliveries'],
  },
  {
    name: 'Usage reports',
    description: 'What was used so far, told on a schedule.',
    paths: ['/api/v1/usage-reports'],
  },
  {
    name: 'API keys',
    description: 'Who may do what.',
    paths: ['/api/v1/api-keys'],
  },
  {
    name: 'Operation',
    description: 'For orchestrators and Prometheus.',
    paths: ['/health', '/metrics'],
  },
];
