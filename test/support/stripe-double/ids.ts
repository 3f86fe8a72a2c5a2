import { randomInt } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Length of the part after the prefix; ids of the older kinds (customers, requests) are shorter. */
const LENGTHS = {
  acct: 16,
  ch: 24,
  clock: 24,
  cn: 24,
  cnli: 24,
  cus: 14,
  evt: 24,
  ii: 24,
  il: 24,
  in: 24,
  mtr: 24,
  mtre: 24,
  pm: 24,
  price: 24,
  prod: 14,
  req: 14,
  sub: 24,
} as const;

/** A random id that looks like Stripe's: `in_1Pgc6tB7WZ01zgkWu9fdqL6I`, `cus_QXg1o8vcGmoR32`. */
export function newId(prefix: keyof typeof LENGTHS): string {
  const length = LENGTHS[prefix];
  const body = randomText(length === 24 ? length - 1 : length);
  return `${prefix}_${length === 24 ? '1' : ''}${body}`;
}

/** Eight capital letters and digits: the part of invoice numbers that belongs to a customer. */
export function newInvoicePrefix(): string {
  return randomText(8).toUpperCase();
}

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}
