import { type Route, route } from './routes.js';

/** Whose key it is; only what has no secrets and no moods of its own. */
export const accountRoutes: Route[] = [
  route('GET', '/v1/account', {}, ({ account }) => ({
    id: account.id,
    object: 'account',
    business_type: 'company',
    charges_enabled: true,
    country: 'US',
    default_currency: 'usd',
    details_submitted: true,
    email: null,
    metadata: {},
    payouts_enabled: true,
    type: 'standard',
  })),
];
