/*
 * Reads the JSON of a request to a route that has a DTO. What the checks after it would stumble over, or would
 * take for something else than was written, is refused here: nesting on which recursion fails, names of
 * the prototype, and numbers that a double does not hold as they stand.
 */
import { isSafeNumber, parse } from 'lossless-json';
import { DomainError } from '../../kernel/errors.js';
import { whyNoJson } from '../../kernel/json-fault.js';

/** Twice what the data of an event may have; class-transformer fails at about a thousand. */
const MAX_LEVELS = 64;
/** Digits, or an exponent, by which a number may be another one as a double. */
const LONG_NUMBER = /\d[\d.]{15}|\d[eE]/;

/** @throws DomainError `invalid` when it is no JSON, or not such as can be held as it was written */
export function readJsonBody(body: Buffer): unknown {
  const text = decode(body);
  const value = readText(text);
  checkWithin(value, MAX_LEVELS);
  if (LONG_NUMBER.test(text)) {
    checkNumbers(text);
  }
  return value;
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw invalidJson(error);
  }
}

function readText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalidJson(error);
  }
}

function invalidJson(error: unknown): DomainError {
  return new DomainError('invalid', 'invalid_json', `The body is no JSON: ${whyNoJson(error)}`, {
    cause: error,
  });
}

function checkWithin(value: unknown, levels: number): void {
  if (typeof value !== 'object' || value === null) {
    return;
  }
  if (levels === 0) {
    throw new DomainError(
      'invalid',
      'too_deep',
      `The body is nested deeper than ${MAX_LEVELS} levels.`,
    );
  }
  for (const [name, inner] of Object.entries(value)) {
    if (name === '__proto__') {
      throw invalidJson(new SyntaxError('the key __proto__ is not allowed'));
    }
    checkWithin(inner, levels - 1);
  }
}

/** What it reads is not used: it sets the prototype where the other one keeps a name. */
function checkNumbers(text: string): void {
  try {
    parse(text, undefined, {
      parseNumber: checkNumber,
      onDuplicateKey: ({ newValue }) => newValue,
    });
  } catch (error) {
    // Nesting of a key that is there twice is not in the value that was looked at before.
    throw error instanceof DomainError ? error : invalidJson(error);
  }
}

function checkNumber(text: string): number {
  const number = Number(text);
  if (!Number.isFinite(number) || !isSafeNumber(text)) {
    throw new DomainError(
      'invalid',
      'inexact_number',
      `The number ${text.slice(0, 64)} has more digits than are kept of a number here.`,
    );
  }
  return number;
}
