import { type Mapping } from '../mapping.js';
import { type RecordBatch } from '../read-records.js';

/** What a kind of gateway sends. Adding one takes a file like this one's neighbours, and a line in the table. */
export interface Format {
  readonly name: string;
  /**
   * The records of a body.
   *
   * @throws DomainError when nothing of it can be read
   */
  readonly read: (body: Buffer, contentType: string) => RecordBatch;
  /** How a record becomes an event, unless a source says otherwise. */
  readonly mapping: Mapping;
}
