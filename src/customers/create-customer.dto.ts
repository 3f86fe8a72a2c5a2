import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsEmail,
  IsOptional,
  Matches,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import {
  IsCurrencyCode,
  IsInstantText,
  IsKey,
  IsMetadata,
  IsStorableText,
  IsTimeZoneName,
} from '../platform/http/validators.js';
import { isSubject, MAX_SUBJECTS, SUBJECT_RULE } from './subject.js';

const STRIPE_CUSTOMER = /^cus_[A-Za-z0-9]{1,64}$/;
const STRIPE_CUSTOMER_RULE = {
  message: 'must be the id of a Stripe customer, such as "cus_9s6XKzkNRiz8i3"',
};

const IsSubject = (each: boolean): PropertyDecorator =>
  ValidateBy(
    { name: 'isSubject', validator: { validate: isSubject, defaultMessage: () => SUBJECT_RULE } },
    { each },
  );

export class CreateCustomerDto {
  /** Your own name for the customer; usable in paths in place of the id. */
  @IsKey()
  key: string;

  @IsStorableText(200)
  name: string;

  @IsOptional()
  @IsEmail({}, { message: 'must be an e-mail address' })
  email?: string | null;

  /** What the customer is charged in, such as `usd`. */
  @IsCurrencyCode()
  currency: string;

  /** Where the customer's billing periods begin and end; UTC by default. */
  @IsOptional()
  @IsTimeZoneName()
  time_zone?: string;

  /** Subjects whose usage is this customer's since the beginning of time. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_SUBJECTS)
  @ArrayUnique()
  @IsSubject(true)
  subjects?: string[];

  @IsOptional()
  @Matches(STRIPE_CUSTOMER, STRIPE_CUSTOMER_RULE)
  stripe_customer_id?: string | null;

  @IsOptional()
  @IsMetadata()
  metadata?: Record<string, string>;
}

export class UpdateCustomerDto {
  @ValidateIf((_, value) => value !== undefined)
  @IsStorableText(200)
  name?: string;

  @IsOptional()
  @IsEmail({}, { message: 'must be an e-mail address' })
  email?: string | null;

  @ValidateIf((_, value) => value !== undefined)
  @IsTimeZoneName()
  time_zone?: string;

  @IsOptional()
  @Matches(STRIPE_CUSTOMER, STRIPE_CUSTOMER_RULE)
  stripe_customer_id?: string | null;

  @ValidateIf((_, value) => value !== undefined)
  @IsMetadata()
  metadata?: Record<string, string>;
}

export class AssignSubjectDto {
  @IsSubject(false)
  subject: string;

  /** From when on its usage is this customer's; without it: since the beginning of time. */
  @IsOptional()
  @IsInstantText()
  from?: string | null;
}

export class CustomerResponse {
  id: string;
  key: string;
  name: string;
  email: string | null;
  currency: string;
  time_zone: string;
  stripe_customer_id: string | null;
  metadata: Record<string, string>;
  created_at: string;
  updated_at: string;
}

export class CustomerSubjectResponse {
  subject: string;
  customer: string;
  from: string | null;
  to: string | null;
}

export class CustomerSubjectsResponse {
  data: CustomerSubjectResponse[];
}
