import { IsStorableText } from '../../platform/http/validators.js';

const MAX_ID_LENGTH = 64;

export class ChangeEndpointDto {
  /** The id of the webhook endpoint. */
  @IsStorableText(MAX_ID_LENGTH)
  webhook_endpoint: string;
}

export class SubscriptionEndpointResponse {
  subscription: string;
  webhook_endpoint: string;
}
