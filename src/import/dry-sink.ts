/* What would become of records, by the code that the service runs. Stores nothing. */
import { type EventRules, readUsageEvent } from '../events/usage-event.js';
import { DomainError } from '../kernel/errors.js';
import { FORMAT_NAMES, getFormat } from '../sources/formats/formats.js';
import {
  type CompiledMapping,
  compileMapping,
  mapRecord,
  type Mapping,
} from '../sources/mapping.js';
import { type ReadRecord } from '../sources/read-records.js';
import { RecordIds } from '../sources/record-id.js';
import { type Body } from './batch.js';
import { ImportFault } from './import-fault.js';
import { type SendResult, type SentRecord, type Sink } from './sink.js';

/** As much as is needed of what the service says of a source. */
interface Described {
  readonly key: string;
  readonly format: string;
  readonly effective_mapping: Mapping;
}

export class DrySink implements Sink {
  private readonly source: Described;
  private readonly mapping: CompiledMapping;

  /**
   * @param described a source as the service describes it
   * @throws ImportFault when it is of a format that this version does not know
   */
  constructor(
    described: unknown,
    private readonly rules: EventRules,
  ) {
    this.source = described as Described;
    if (!FORMAT_NAMES.includes(this.source.format)) {
      throw new ImportFault(
        `The source has the format '${this.source.format}', which this version does not know.`,
      );
    }
    this.mapping = compileMapping(this.source.effective_mapping);
  }

  /** What would be answered, if nothing of it were stored yet. */
  async send({ text, owners }: Body): Promise<SendResult> {
    await Promise.resolve();
    try {
      const { records, dialect } = getFormat(this.source.format).read(
        Buffer.from(text),
        'text/plain',
      );
      if (records.length !== owners.length) {
        throw new ImportFault(
          'A log must have one record on each line, or be one JSON array; this one has not.',
        );
      }
      const ids = new RecordIds();
      const judge = (record: ReadRecord): SentRecord => {
        if (record.outcome === 'unreadable') {
          return { id: null, status: 'rejected', code: record.code, detail: record.detail };
        }
        const mapped = mapRecord(record.value, this.mapping, this.source.key, ids);
        if (mapped.outcome === 'ignored') {
          return { id: null, status: 'ignored' };
        }
        const { id = null } = mapped.event as { id?: string };
        const read =
          mapped.outcome === 'event' ? readUsageEvent(mapped.event, this.rules, dialect) : mapped;
        return read.outcome === 'rejected'
          ? { id, status: 'rejected', code: read.code, detail: read.detail }
          : { id, status: 'accepted' };
      };
      const judged = records.map(judge);
      return {
        kind: 'answered',
        // A copy is there for the ids of others only.
        records: judged.map((record, index) =>
          owners[index] === null ? { ...record, status: 'duplicate' } : record,
        ),
      };
    } catch (error) {
      if (error instanceof DomainError) {
        return { kind: 'unreadable', refusal: { code: error.code, detail: error.message } };
      }
      throw error;
    }
  }
}
