/* What many messages have in common, said in one way. */
import { decimal, object, text, time, whole } from './shape.js';

export const CUSTOMER = text("The customer's key.");

export const PERIOD = object({ start: time(), end: time() }, 'From `start` on, to before `end`.');

export const MONEY = {
  amount: decimal('In units of the currency.'),
  amount_minor: whole('The same in its minor units.'),
  currency: text('Three lower-case letters.'),
};
