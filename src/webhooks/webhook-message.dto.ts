export class WebhookMessageResponse {
  /** What receivers know it by: the header `webhook-id`. */
  id: string;
  sequence: number;
  type: string;
  created_at: string;
  /** What is sent. */
  payload: Record<string, unknown>;
}
