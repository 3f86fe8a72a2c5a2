import { ValidationPipe } from '@nestjs/common';
import { type ValidationError } from 'class-validator';
import { DomainError, type FieldError } from '../../kernel/errors.js';

/** Checks every body and query against its DTO; what the DTO does not name is an error. */
export function createValidationPipe(): ValidationPipe {
  return new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    transform: true,
    stopAtFirstError: true,
    exceptionFactory: (errors) => {
      const fields = errors.flatMap((error) => fieldErrors(error, ''));
      const detail = fields.map((field) => `${field.field}: ${field.detail}`).join('; ');
      return new DomainError('invalid', 'invalid_request', detail, { errors: fields });
    },
  });
}

function fieldErrors(error: ValidationError, prefix: string): FieldError[] {
  const field = `${prefix}${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([name, message]) => ({
    field,
    code: name === 'whitelistValidation' ? 'unknown_field' : snakeCase(name),
    detail:
      name === 'whitelistValidation'
        ? 'is not a known field'
        : withoutName(message, error.property),
  }));
  const nested = (error.children ?? []).flatMap((child) => fieldErrors(child, `${field}.`));
  return [...own, ...nested];
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function withoutName(message: string, property: string): string {
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}
