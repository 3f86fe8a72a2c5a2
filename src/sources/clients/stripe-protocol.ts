import { type ProblemExtension } from '../../platform/http/problem.filter.js';
import { type Protocol } from './client-intake.js';

export const STRIPE: Protocol = { name: 'stripe', formats: ['stripe'] };

/** Stripe's clients take every answer without this member for a success. */
export const STRIPE_PROBLEM: ProblemExtension = {
  extendProblem: ({ status, code, detail }) => {
    const type = status === 401 ? 'authentication_error' : 'invalid_request_error';
    return { error: { type: status >= 500 ? 'api_error' : type, code, message: detail } };
  },
};
