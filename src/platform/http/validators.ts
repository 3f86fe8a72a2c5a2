import { ValidateBy, type ValidationOptions } from 'class-validator';
import { isDecimal } from '../../kernel/decimal.js';
import { looksLikeId } from '../../kernel/ids.js';
import { isTimeZone, parseInstant } from '../../kernel/instant.js';
import { isCurrency } from '../../kernel/money.js';

type Check = (value: unknown) => boolean;

/** A decorator that holds a property to a check. */
export function by(
  name: string,
  check: Check,
  message: string,
): (options?: ValidationOptions) => PropertyDecorator {
  return (options) =>
    ValidateBy({ name, validator: { validate: check, defaultMessage: () => message } }, options);
}

/** A decimal of zero or more as a string, at most 26 digits before and 12 after the point. */
export const IsPositiveDecimalText = by(
  'isDecimal',
  (value) => isDecimal(value) && !value.startsWith('-'),
  'must be a decimal of zero or more in a string, such as "0.0004", with at most 26 digits before and 12 after the point',
);

/** A decimal as a string, also below zero. */
export const IsDecimalText = by(
  'isDecimal',
  isDecimal,
  'must be a decimal in a string, such as "-15.00", with at most 26 digits before and 12 after the point',
);

/** A currency that Stripe charges in, in lower case. */
export const IsCurrencyCode = by(
  'isCurrency',
  isCurrency,
  'must be the three lower-case letters of a currency, such as "usd"',
);

/** A time zone of the IANA database. */
export const IsTimeZoneName = by(
  'isTimeZone',
  isTimeZone,
  'must be a time zone of the IANA database, such as "Europe/Berlin"',
);

/** An RFC 3339 instant with its offset. */
export const IsInstantText = by(
  'isInstant',
  (value) => typeof value === 'string' && parseInstant(value) !== null,
  'must be a time with its offset, such as "2026-11-01T00:00:00+01:00"',
);

const KEY = /^[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?$/;

/** A name that callers give and then use in paths, where it must not be taken for an id. */
export const IsKey = by(
  'isKey',
  (value) => typeof value === 'string' && KEY.test(value) && !looksLikeId(value),
  'must be 1 to 64 lower-case letters, digits, "_", "-" or ".", starting and ending with a letter or digit, and no id',
);

/** Text that PostgreSQL can hold: no NUL, no lone surrogates. */
export const IsStorableText = (maxLength: number, minLength = 1): PropertyDecorator =>
  by(
    'isText',
    (value) =>
      typeof value === 'string' &&
      value.length >= minLength &&
      value.length <= maxLength &&
      isStorable(value),
    `must be text of ${minLength} to ${maxLength} characters without NUL`,
  )();

/** Whether PostgreSQL can hold the text. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

const MAX_METADATA_KEYS = 50;
const MAX_METADATA_KEY_LENGTH = 40;
const MAX_METADATA_VALUE_LENGTH = 500;

/** A flat object of texts, within Stripe's limits, so that it can be handed on. */
export const IsMetadata = by(
  'isMetadata',
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length <= MAX_METADATA_KEYS &&
    Object.entries(value).every(
      ([key, text]) =>
        key.length <= MAX_METADATA_KEY_LENGTH &&
        isStorable(key) &&
        typeof text === 'string' &&
        text.length <= MAX_METADATA_VALUE_LENGTH &&
        isStorable(text),
    ),
  `must be an object of at most ${MAX_METADATA_KEYS} texts, keys up to ${MAX_METADATA_KEY_LENGTH} and values up to ${MAX_METADATA_VALUE_LENGTH} characters`,
);
