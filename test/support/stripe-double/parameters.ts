import { invalid, missingParameter, noSuch } from './errors.js';
import type { FormHash, FormValue } from './form.js';

/** One parameter: reads the text of a form into a value, or refuses it in Stripe's words. */
export interface Field<T> {
  readonly required?: boolean;
  parse(value: FormValue, name: string): T;
}
export interface RequiredField<T> extends Field<T> {
  readonly required: true;
}
export type Fields = Record<string, Field<unknown>>;

type ValueOf<F> = F extends Field<infer T> ? T : never;
type RequiredKeys<S> = {
  [K in keyof S]: S[K] extends { required: true } ? K : never;
}[keyof S];
/** The parsed parameters of a set of fields. */
export type ParamsOf<S> = {
  [K in RequiredKeys<S>]: ValueOf<S[K]>;
} & {
  [K in Exclude<keyof S, RequiredKeys<S>>]?: ValueOf<S[K]>;
};

/** Reads `form` by `fields`: unknown names first, then each value, then what is missing. */
export function parseFields<S extends Fields>(fields: S, form: FormHash, parent = ''): ParamsOf<S> {
  const qualify = (key: string): string => (parent === '' ? key : `${parent}[${key}]`);
  const unknown = Object.keys(form).filter((key) => !Object.hasOwn(fields, key));
  if (unknown.length > 0) {
    const names = unknown.map(qualify);
    throw invalid(`Received unknown parameter${names.length > 1 ? 's' : ''}: ${names.join(', ')}`, {
      code: 'parameter_unknown',
      param: names[0],
    });
  }
  const params: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const value = form[key];
    if (value !== undefined) {
      params[key] = field.parse(value, qualify(key));
    } else if (field.required === true) {
      throw missingParameter(qualify(key));
    }
  }
  return params as ParamsOf<S>;
}

export function required<T>(field: Field<T>): RequiredField<T> {
  return { required: true, parse: (value, name) => field.parse(value, name) };
}

/** An empty text unsets the value: `null` in the parsed parameters. */
export function emptyable<T>(field: Field<T>): Field<T | null> {
  return { parse: (value, name) => (value === '' ? null : field.parse(value, name)) };
}

export function text(max = 5000): Field<string> {
  return {
    parse(value, name) {
      const plain = plainText(value, name, 'string');
      if ([...plain].length > max) {
        const shown = `${plain.slice(0, 20)}…${plain.slice(-10)}`;
        throw invalid(`Invalid string: ${shown}; must be at most ${max} characters`, {
          param: name,
        });
      }
      return plain;
    },
  };
}

export function email(): Field<string> {
  return {
    parse(value, name) {
      const address = text(512).parse(value, name);
      if (!/^[^\s@]+@[^\s@]+$/.test(address)) {
        throw invalid(`Invalid email address: ${address}`, { code: 'email_invalid', param: name });
      }
      return address;
    },
  };
}

export function integer(
  min = -Number.MAX_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): Field<number> {
  return {
    parse(value, name) {
      const plain = plainText(value, name, 'integer');
      const number = Number(plain);
      if (!/^-?\d+$/.test(plain) || !Number.isSafeInteger(number)) {
        throw invalid(`Invalid integer: ${plain}`, {
          code: 'parameter_invalid_integer',
          param: name,
        });
      }
      checkBounds(number, { min, max }, name);
      return number;
    },
  };
}

/** Minor units, at most 8 digits either way (https://docs.stripe.com/currencies). */
export function amount(): Field<number> {
  return {
    parse(value, name) {
      const number = integer().parse(value, name);
      if (Math.abs(number) > 99_999_999) {
        throw number > 0
          ? invalid('Amount must be no more than $999,999.99', {
              code: 'amount_too_large',
              param: name,
            })
          : invalid('Amount must be no less than -$999,999.99', {
              code: 'amount_too_small',
              param: name,
            });
      }
      return number;
    },
  };
}

/** A decimal text with at most 12 decimal places, kept as text. */
export function decimal({ negative }: { negative: boolean }): Field<string> {
  return {
    parse(value, name) {
      const plain = plainText(value, name, 'decimal');
      if (!/^-?\d+(\.\d{1,12})?$/.test(plain)) {
        throw invalid(`Invalid decimal: ${plain}; must contain at maximum 12 decimal places.`, {
          param: name,
        });
      }
      if (!negative && plain.startsWith('-')) {
        throw invalid('This value must be greater than or equal to 0.', { param: name });
      }
      return plain;
    },
  };
}

export function boolean(): Field<boolean> {
  return {
    parse(value, name) {
      const plain = plainText(value, name, 'boolean');
      if (plain !== 'true' && plain !== 'false') {
        throw invalid(`Invalid boolean: ${plain}`, { param: name });
      }
      return plain === 'true';
    },
  };
}

export function oneOf<const V extends string>(...values: [V, V, ...V[]]): Field<V> {
  return {
    parse(value, name) {
      const plain = plainText(value, name, 'string');
      const found = values.find((candidate) => candidate === plain);
      if (found === undefined) {
        throw invalid(`Invalid ${name}: must be one of ${orList(values)}`, { param: name });
      }
      return found;
    },
  };
}

const CURRENCIES = new Set(
  (
    'usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp ' +
    'byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip ' +
    'gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt ' +
    'lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr ' +
    'nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd ' +
    'std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw'
  ).split(' '),
);

/** A supported currency, lower-cased as Stripe does. */
export function currency(): Field<string> {
  return {
    parse(value, name) {
      const code = plainText(value, name, 'currency').toLowerCase();
      if (!CURRENCIES.has(code)) {
        throw invalid(
          `Invalid currency: ${code}. Stripe currently supports these currencies: ` +
            [...CURRENCIES].join(', '),
          { param: name },
        );
      }
      return code;
    },
  };
}

export function list<T>(item: Field<T>, max = Number.MAX_SAFE_INTEGER): Field<T[]> {
  return {
    parse(value, name) {
      if (typeof value === 'string' || !Object.keys(value).every((key) => /^\d+$/.test(key))) {
        throw invalid('Invalid array', { param: name });
      }
      const entries = Object.entries(value).toSorted(([a], [b]) => Number(a) - Number(b));
      if (entries.length > max) {
        throw invalid(`Array must have at most ${max} elements`, { param: name });
      }
      return entries.map(([key, element]) => item.parse(element, `${name}[${key}]`));
    },
  };
}

export function hash<S extends Fields>(fields: S): Field<ParamsOf<S>> {
  return {
    parse(value, name) {
      if (typeof value === 'string') {
        throw invalid('Invalid object', { param: name });
      }
      return parseFields(fields, value, name);
    },
  };
}

export interface Range {
  gt?: number;
  gte?: number;
  lt?: number;
  lte?: number;
}

/** A time filter: one instant, or bounds. */
export function range(): Field<Range> {
  const bounds = hash({ gt: integer(), gte: integer(), lt: integer(), lte: integer() });
  return {
    parse(value, name) {
      if (typeof value === 'string') {
        const instant = integer().parse(value, name);
        return { gte: instant, lte: instant };
      }
      return bounds.parse(value, name);
    },
  };
}

/** The id of a kind of object that this double never holds, so it can only be missing. */
export function absent(what: string): Field<never> {
  return {
    parse(value, name) {
      throw noSuch(what, plainText(value, name, 'string'), name);
    },
  };
}

/** A parameter Stripe knows and this double does not act on: refused rather than ignored. */
export function unmodelled(): Field<never> {
  return {
    parse(_value, name) {
      throw invalid(`The Stripe double does not model the parameter '${name}'.`, { param: name });
    },
  };
}

function plainText(value: FormValue, name: string, type: string): string {
  if (typeof value !== 'string') {
    throw invalid(`Invalid ${type}: ${JSON.stringify(value)}`, { param: name });
  }
  if (value === '') {
    throw invalid(
      `You passed an empty string for '${name}'. We assume empty values are an attempt to unset a ` +
        `parameter; however '${name}' cannot be unset. You should remove '${name}' from your ` +
        'request or supply a non-empty value.',
      { code: 'parameter_invalid_empty', param: name },
    );
  }
  return value;
}

function checkBounds(
  number: number,
  { min, max }: { min: number; max: number },
  param: string,
): void {
  if (number < min || number > max) {
    const message =
      number < min
        ? `This value must be greater than or equal to ${min}.`
        : `This value must be less than or equal to ${max} (it currently is '${number}').`;
    throw invalid(message, { code: 'parameter_invalid_integer', param });
  }
}

function orList(values: string[]): string {
  const last = values.at(-1) ?? '';
  const head = values.slice(0, -1).join(', ');
  return values.length > 2 ? `${head}, or ${last}` : `${head} or ${last}`;
}
