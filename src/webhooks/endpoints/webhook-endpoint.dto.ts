import { ApiProperty } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
  type ValidationArguments,
} from 'class-validator';
import { IsStorableText } from '../../platform/http/validators.js';
import { MAX_WAIT_SECONDS, MAX_WAITS } from '../deliveries/settlement.js';
import { SIGNATURE_SCHEMES, type SignatureScheme } from '../deliveries/signature.js';
import { MESSAGE_TYPE_NAMES, type MessageType } from '../webhook-message.js';
import { findHeaderFault, MAX_HEADERS } from './custom-headers.js';
import { MAX_CONCURRENCY, MAX_RATE_PER_SECOND } from './webhook-endpoint.js';

const MAX_URL_LENGTH = 2_048;
const MAX_DESCRIPTION_LENGTH = 500;

/** May be left out, but not null. */
const IsGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

const IsMessageTypes = (): PropertyDecorator => (target, property) => {
  for (const decorate of [
    IsArray(),
    ArrayMaxSize(MESSAGE_TYPE_NAMES.length),
    ArrayUnique(),
    IsIn(MESSAGE_TYPE_NAMES, { each: true }),
  ]) {
    decorate(target, property);
  }
};

const all =
  (...decorators: PropertyDecorator[]): PropertyDecorator =>
  (target, property) => {
    for (const decorate of decorators) {
      decorate(target, property);
    }
  };

const IsRetryWaits = (): PropertyDecorator =>
  all(
    IsOptional(),
    IsArray(),
    ArrayMaxSize(MAX_WAITS),
    IsInt({ each: true }),
    Min(1, { each: true }),
    Max(MAX_WAIT_SECONDS, { each: true }),
  );

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const IsHeaders = (): PropertyDecorator =>
  ValidateBy({
    name: 'isHeaders',
    validator: {
      validate: (value: unknown) => isObject(value) && findHeaderFault(value) === null,
      defaultMessage: (given?: ValidationArguments) =>
        isObject(given?.value)
          ? (findHeaderFault(given.value) ?? '')
          : 'must be an object of headers by name',
    },
  });

const HEADERS = {
  type: 'object',
  additionalProperties: { type: 'string' },
  maxProperties: MAX_HEADERS,
} as const;

/** How an endpoint wants to be sent to; what is left out is as usual, or stays as it is. */
class DeliveryOptionsDto {
  /** Waits before the second attempt and each after it, in seconds; null: 5 s, 1 min, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. */
  @IsRetryWaits()
  retry_schedule_seconds?: number[] | null;

  /** Deliveries under way to it at once; 5 when left out. */
  @IsGiven()
  @IsInt()
  @Min(1)
  @Max(MAX_CONCURRENCY)
  max_concurrency?: number;

  /** Deliveries a second, on an average; null: as fast as it answers. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(MAX_RATE_PER_SECOND)
  max_per_second?: number | null;

  /** One after the other in the order of `sequence`: a delivery that fails holds up all after it. */
  @IsGiven()
  @IsBoolean()
  ordered?: boolean;

  /** Sent with every attempt, besides those of Standard Webhooks; the values are never shown again. */
  @IsGiven()
  @IsHeaders()
  @ApiProperty(HEADERS)
  headers?: Record<string, string>;
}

export class CreateWebhookEndpointDto extends DeliveryOptionsDto {
  /** Where messages are sent: https, at a public address. */
  @IsStorableText(MAX_URL_LENGTH)
  url: string;

  /** The types of messages it wants; without them, or with none: all. */
  @IsGiven()
  @IsMessageTypes()
  types?: MessageType[];

  @IsGiven()
  @IsStorableText(MAX_DESCRIPTION_LENGTH, 0)
  description?: string;

  /** How attempts are signed: `v1` (HMAC-SHA256, a secret that both sides know) or `v1a` (Ed25519, a public key); `v1` when left out. */
  @IsGiven()
  @IsIn(SIGNATURE_SCHEMES)
  signature?: SignatureScheme;
}

export class UpdateWebhookEndpointDto extends DeliveryOptionsDto {
  @IsGiven()
  @IsStorableText(MAX_URL_LENGTH)
  url?: string;

  @IsGiven()
  @IsMessageTypes()
  types?: MessageType[];

  @IsGiven()
  @IsStorableText(MAX_DESCRIPTION_LENGTH, 0)
  description?: string;

  /** Disabled: nothing more is queued for it, and what is pending waits. */
  @IsGiven()
  @IsBoolean()
  disabled?: boolean;
}

export class TestWebhookEndpointDto {
  /** The type whose example is sent, marked as a test; without it `webhook.test`. */
  @IsGiven()
  @IsIn(MESSAGE_TYPE_NAMES)
  type?: MessageType;
}

const DAY_SECONDS = 86_400;
const MAX_OVERLAP_SECONDS = 7 * DAY_SECONDS;

export class RotateSecretDto {
  /** For how long attempts are signed with the secret before, too; 0: no longer. A day when left out, seven at most. */
  @IsGiven()
  @IsInt()
  @Min(0)
  @Max(MAX_OVERLAP_SECONDS)
  overlap_seconds?: number = DAY_SECONDS;

  /** Of the new secret: `v1` or `v1a`; when left out, that of the one before. */
  @IsGiven()
  @IsIn(SIGNATURE_SCHEMES)
  signature?: SignatureScheme;
}

export class RotatedSecretResponse {
  /** Verifies the signatures of messages from now on; it is never shown again. Null with `v1a`. */
  secret: string | null;
  /** Verifies signatures of `v1a` from now on; null with `v1`. */
  public_key: string | null;
  /** Until when attempts are signed with the secret before, too; null: no longer. */
  previous_secret_until: string | null;
}

/** What an endpoint that is sent to in order waits for. */
export class OrderBlockResponse {
  delivery: string;
  attempts: number;
  next_attempt_at: string;
  /** Since when it waits to be delivered. */
  since: string;
}

export class WebhookEndpointResponse {
  id: string;
  url: string;
  /** None: all types. */
  types: string[];
  description: string;
  /** Since when nothing is sent to it; null while it is in use. */
  disabled_at: string | null;
  /**
   * `requested`; `gone`: it answered 410; `receiver`: it answered with `webhook-delivery: disable`; `failing`:
   * after five days of nothing but failures.
   */
  disabled_reason: string | null;
  /**
   * In use again: since when it was told nothing, until a replay has brought that. `GET …/missed` says
   * how much it is, and `POST …/replays` with this as `from` brings it. Null when nothing is missing.
   */
  missed_from: string | null;
  /** Null: the usual schedule. */
  retry_schedule_seconds: number[] | null;
  max_concurrency: number;
  /** Null: as fast as it answers. */
  max_per_second: number | null;
  ordered: boolean;
  /** What keeps the next message from being sent, when they are sent in order; null: nothing. */
  blocked_by: OrderBlockResponse | null;
  /** Names of the headers that every attempt carries besides those of Standard Webhooks. */
  header_names: string[];
  /** Until when attempts are signed with the secret before this one, too. */
  previous_secret_until: string | null;
  /** Since when nothing but failures came of attempts; null while they succeed. */
  failing_since: string | null;
  /** How many failures since then. */
  failures: number;
  /** Nothing is sent before it, and then one at a time until one succeeds; null: nothing holds it. */
  held_until: string | null;
  created_at: string;
}

export class CreatedWebhookEndpointResponse extends WebhookEndpointResponse {
  /** Verifies the signatures of messages (Standard Webhooks); it is never shown again. Null with `v1a`. */
  secret: string | null;
  /** Verifies signatures of `v1a`; null with `v1`. */
  public_key: string | null;
}

export class PublicKeyResponse {
  /** `whpk_` and an Ed25519 public key in base64. */
  public_key: string;
  /** Until when attempts are signed with it; null: it is the one in force. */
  until: string | null;
}

export class PublicKeysResponse {
  /** The one in force first; none of an endpoint that is signed to with `v1`. */
  data: PublicKeyResponse[];
}

export class QueuedTestResponse {
  message: string;
  delivery: string;
}
