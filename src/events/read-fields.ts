import { invalidField } from '../kernel/errors.js';
import { readBody } from './read-body.js';
import { type Dialect, isObject } from './usage-event.js';

/**
 * The fields of a request that holds one JSON object, of which the numbers keep every digit.
 *
 * @throws DomainError when the body is no such object, or has a field that `names` does not have
 */
export function readFields(
  body: Buffer | undefined,
  contentType: string | undefined,
  names: readonly string[],
): { readonly fields: Readonly<Record<string, unknown>>; readonly dialect: Dialect } {
  const { values, dialect } = readBody(body ?? Buffer.alloc(0), contentType ?? 'application/json');
  const [fields] = values;
  if (values.length !== 1 || !isObject(fields) || dialect.isLongNumber(fields)) {
    throw invalidField(
      names.join(' or '),
      'is_required',
      'the body must be one JSON object with it',
    );
  }
  for (const name of Object.keys(fields)) {
    if (!names.includes(name)) {
      throw invalidField(name, 'unknown_field', 'is not a known field');
    }
  }
  return { fields, dialect };
}
