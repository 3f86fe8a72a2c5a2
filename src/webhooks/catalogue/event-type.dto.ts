export class WebhookEventTypeResponse {
  /** What endpoints name in `types`, and payloads in `type`. */
  type: string;
  /** What has happened when it is sent. */
  description: string;
  /** The form of its payloads; changes when receivers could not read it any more. */
  api_version: string;
  /** JSON Schema (draft 2020-12) of the whole payload. Take properties that it does not name, too. */
  schema: Record<string, unknown>;
  /** A payload as it could be sent. */
  example: Record<string, unknown>;
}
