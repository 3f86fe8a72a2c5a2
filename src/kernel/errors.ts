/** One fault of one input field, as RFC 9457 problem details carry it in `errors`. */
export interface FieldError {
  /** Path of the field in the request, such as `prices.0.unit_price`. */
  readonly field: string;
  /** Stable snake_case word that programs may branch on. */
  readonly code: string;
  /** One sentence for people; never holds a secret. */
  readonly detail: string;
}

export type ErrorKind =
  | 'not_found'
  | 'conflict'
  | 'invalid'
  | 'unauthorized'
  | 'forbidden'
  | 'too_large'
  | 'unsupported'
  | 'unavailable';

/**
 * An expected refusal. Its `kind` decides the HTTP status, in one place (the problem filter); its
 * `code` is stable; its message is safe to show to the caller.
 */
export class DomainError extends Error {
  readonly errors: readonly FieldError[];

  constructor(
    readonly kind: ErrorKind,
    readonly code: string,
    detail: string,
    more: ErrorOptions & { readonly errors?: readonly FieldError[] } = {},
  ) {
    super(detail, more);
    this.name = 'DomainError';
    this.errors = more.errors ?? [];
  }
}

/** A refusal of input that names one field. */
export function invalidField(field: string, code: string, detail: string): DomainError {
  return new DomainError('invalid', 'invalid_request', `${field}: ${detail}`, {
    errors: [{ field, code, detail }],
  });
}

/** A refusal because the thing that `name` stands for does not exist. */
export function notFound(what: string, name: string): DomainError {
  return new DomainError('not_found', 'not_found', `There is no ${what} '${name}'.`);
}

/** A refusal because what is asked for contradicts what is stored. */
export function conflict(
  code: string,
  detail: string,
  errors: readonly FieldError[] = [],
): DomainError {
  return new DomainError('conflict', code, detail, { errors });
}
