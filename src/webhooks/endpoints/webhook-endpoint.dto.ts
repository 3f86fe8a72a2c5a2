import { ArrayMaxSize, ArrayUnique, IsArray, IsBoolean, IsIn, ValidateIf } from 'class-validator';
import { IsStorableText } from '../../platform/http/validators.js';
import { MESSAGE_TYPE_NAMES, type MessageType } from '../webhook-message.js';

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

export class CreateWebhookEndpointDto {
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
}

export class UpdateWebhookEndpointDto {
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

export class WebhookEndpointResponse {
  id: string;
  url: string;
  /** None: all types. */
  types: string[];
  description: string;
  /** Since when nothing is sent to it; null while it is in use. */
  disabled_at: string | null;
  /** `requested`, or `gone` when it answered 410. */
  disabled_reason: string | null;
  /**
   * In use again: since when it was told nothing, until a replay has brought that. `GET …/missed` says
   * how much it is, and `POST …/replays` with this as `from` brings it. Null when nothing is missing.
   */
  missed_from: string | null;
  created_at: string;
}

export class CreatedWebhookEndpointResponse extends WebhookEndpointResponse {
  /** Verifies the signatures of messages (Standard Webhooks); it is never shown again. */
  secret: string;
}

export class QueuedTestResponse {
  message: string;
  delivery: string;
}
