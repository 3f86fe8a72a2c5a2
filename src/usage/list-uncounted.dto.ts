export class UnattributedResponse {
  subject: string;
  source: string;
  /** How many events that count for nobody. */
  events: number;
  types: string[];
  /** The times of the first and the last of them. */
  first_time: string;
  last_time: string;
}
