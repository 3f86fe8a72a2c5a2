export class HealthResponse {
  /** `ok`; when it is not, the answer is a problem. */
  status: string;
}
