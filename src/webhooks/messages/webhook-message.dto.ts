import { Transform } from 'class-transformer';
import { ArrayMaxSize, IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { IsInstantText, IsStorableText } from '../../platform/http/validators.js';
import { MESSAGE_TYPE_NAMES, type MessageType } from '../webhook-message.js';

const MAX_CURSOR_LENGTH = 1_000;
const MAX_KEY_LENGTH = 64;

export class ListMessagesQuery extends PageQuery {
  /**
   * Follow the messages, oldest first, without tests: `start`, or the `next_cursor` of the answer before,
   * which is never null then. Not together with `cursor`.
   */
  @IsOptional()
  @IsStorableText(MAX_CURSOR_LENGTH)
  after?: string;

  /** Of this type; may be given several times. */
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? [value] : value))
  @ArrayMaxSize(MESSAGE_TYPE_NAMES.length)
  @IsIn(MESSAGE_TYPE_NAMES, { each: true })
  type?: MessageType[];

  /** About the customer with this key. */
  @IsOptional()
  @IsStorableText(MAX_KEY_LENGTH)
  customer?: string;

  /** Published at this time or later. */
  @IsOptional()
  @IsInstantText()
  from?: string;

  /** Published before this time. */
  @IsOptional()
  @IsInstantText()
  to?: string;
}

export class WebhookMessageResponse {
  /** What receivers know it by: the header `webhook-id`. */
  id: string;
  sequence: number;
  type: string;
  /** The key of the customer whom it is about; null when it is about none. */
  customer: string | null;
  /** The one endpoint that it is for; null: whichever wants its type. */
  endpoint: string | null;
  /** Somebody tried an endpoint: nothing of it has happened. */
  test: boolean;
  created_at: string;
  /** What is sent. */
  payload: Record<string, unknown>;
}

export class DeliveryCountsResponse {
  pending: number;
  sending: number;
  succeeded: number;
  failed: number;
}

export class MessageWithDeliveriesResponse extends WebhookMessageResponse {
  /** How many of its deliveries stand how; `GET /webhook-deliveries?message=` has them. */
  deliveries: DeliveryCountsResponse;
}
