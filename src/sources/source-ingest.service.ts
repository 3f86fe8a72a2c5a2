/*
 * Turns what gateways send into usage events: a format reads the records, a mapping says what they
 * mean, and `events` takes them as it takes all others. A record that cannot be read or mapped is
 * refused alone, and kept for repair without the secrets in it.
 */
import { Injectable } from '@nestjs/common';
import { type DerivedEvent, EventsService } from '../events/events.service.js';
import { SEQUENCE_ATTRIBUTE } from '../events/sequence-attribute.js';
import { type Dialect, type ReadEvent } from '../events/usage-event.js';
import { DomainError } from '../kernel/errors.js';
import { Metrics } from '../platform/http/metrics.js';
import { getFormat } from './formats/formats.js';
import {
  type CompiledMapping,
  compileMapping,
  type MappedRecord,
  type Mapping,
  mapRecord,
} from './mapping.js';
import { type ReadRecord, type RecordBatch, type RecordReceipt } from './read-records.js';
import { RecordIds } from './record-id.js';
import { RejectionsService } from './rejections/rejections.service.js';
import { redact, redactText } from './secrets.js';
import { keyOf, readSequence, type SequenceNumber } from './sequences/sequence.js';
import { SequencesService } from './sequences/sequences.service.js';
import { SilenceService } from './silence.service.js';
import { type ReadySource } from './source.js';
import { effectiveMapping, SourcesService } from './sources.service.js';

export interface ReceivedRecords {
  /** One for each record, in order. */
  readonly receipts: readonly RecordReceipt[];
  /** What was read, in the same order; undefined for what could not be. */
  readonly values: readonly unknown[];
  /** What the sender wants to hear in place of the receipts. */
  readonly reply: object | null;
}

/** What the headers of a request say of it. */
export interface RequestContext {
  readonly contentType: string;
  /** What the request is known by when it is sent again, if its sender says. */
  readonly requestKey: string | null;
}

/** What a record would become. */
export type PreviewedRecord = (ReadEvent | { readonly outcome: 'ignored' }) & {
  /** Its number, as far as the mapping finds one. */
  readonly sequence: SequenceNumber | null;
};

/** What stands for the key of a source that need not exist. */
const NO_SOURCE = 'preview';

@Injectable()
export class SourceIngestService {
  private readonly ignored;

  constructor(
    private readonly sources: SourcesService,
    private readonly events: EventsService,
    private readonly silence: SilenceService,
    private readonly rejections: RejectionsService,
    private readonly sequences: SequencesService,
    metrics: Metrics,
  ) {
    this.ignored = metrics.counter(
      'meterline_ignored_records_total',
      'Records that the mapping of their source says are no usage',
    );
  }

  /**
   * Takes the records of a request to a source and answers after they are stored.
   *
   * @throws DomainError when there is no such source, nothing of the body can be read, or `unavailable`
   */
  async receive(idOrKey: string, body: Buffer, context: RequestContext): Promise<ReceivedRecords> {
    const ready = await this.sources.getOpen(idOrKey);
    const { records, dialect, reply } = this.read(ready, body, context.contentType);
    const mapped = mapAll(records, ready, context.requestKey);
    const usage = mapped.flatMap((result, index) =>
      result.outcome === 'ignored'
        ? []
        : [{ index, derived: derive(result, records[index], dialect, ready.mapping) }],
    );
    const { key } = ready.source;
    const receipts = mapped.map((_, index): RecordReceipt => ({
      index,
      id: null,
      source: key,
      status: 'ignored',
    }));
    const derived = usage.map((each) => each.derived);
    const stored = await this.events.ingestDerived(derived, dialect);
    stored.forEach((receipt, position) => {
      const index = usage[position]?.index ?? 0;
      receipts[index] = { ...receipt, index };
    });
    if (stored.some(({ status }) => status === 'accepted' || status === 'duplicate')) {
      await this.silence.noteStored(ready.source.id);
    }
    await this.noteSequence(ready, records, receipts);
    this.rejections.note(ready.source, receipts);
    this.ignored.inc(receipts.length - usage.length);
    const values = records.map((record) => (record.outcome === 'read' ? record.value : undefined));
    return { receipts, values, reply: reply?.(receipts) ?? null };
  }

  private read({ source, format }: ReadySource, body: Buffer, contentType: string): RecordBatch {
    try {
      return format.read(body, contentType);
    } catch (error) {
      if (error instanceof DomainError) {
        this.rejections.noteUnreadable(source, error.code);
      }
      throw error;
    }
  }

  /** Notes the numbers of records, whatever became of these: they came. */
  private async noteSequence(
    { source, mapping: { sequence } }: ReadySource,
    records: readonly ReadRecord[],
    receipts: readonly RecordReceipt[],
  ): Promise<void> {
    if (sequence === null) {
      return;
    }
    const numbered = records.flatMap((record, index) => {
      const number = record.outcome === 'read' ? readSequence(record.value, sequence) : null;
      const isNew = receipts[index]?.status === 'accepted';
      return number === null ? [] : [{ ...number, isNew }];
    });
    if (numbered.length > 0) {
      await this.sequences.note(source.id, numbered);
    }
  }

  /**
   * What the one record of a text would become. Stores nothing.
   *
   * @returns null when the text holds not just one record
   */
  preview(formatName: string, own: Partial<Mapping>, text: string): PreviewedRecord | null {
    const format = getFormat(formatName);
    const mapping = compileMapping(effectiveMapping(formatName, own));
    try {
      const { records, dialect } = format.read(Buffer.from(text), '');
      const [record] = records;
      if (record === undefined || records.length > 1) {
        return null;
      }
      const mapped = mapOne(record, mapping, NO_SOURCE, new RecordIds());
      const sequence =
        record.outcome === 'read' && mapping.sequence !== null
          ? readSequence(record.value, mapping.sequence)
          : null;
      return mapped.outcome === 'event'
        ? { ...this.events.preview(mapped.event, dialect), sequence }
        : { ...mapped, sequence };
    } catch (error) {
      if (error instanceof DomainError && error.kind === 'invalid') {
        return { outcome: 'rejected', code: error.code, detail: error.message, sequence: null };
      }
      throw error;
    }
  }
}

function mapAll(
  records: readonly ReadRecord[],
  { source, mapping }: ReadySource,
  requestKey: string | null,
): MappedRecord[] {
  const ids = new RecordIds(requestKey);
  return records.map((record) => mapOne(record, mapping, source.key, ids));
}

function mapOne(
  record: ReadRecord,
  mapping: CompiledMapping,
  source: string,
  ids: RecordIds,
): MappedRecord {
  if (record.outcome === 'read') {
    return mapRecord(record.value, mapping, source, ids);
  }
  const { code, detail } = record;
  return { outcome: 'rejected', event: { source }, code, detail };
}

function derive(
  mapped: Exclude<MappedRecord, { outcome: 'ignored' }>,
  record: ReadRecord | undefined,
  dialect: Dialect,
  { sequence }: CompiledMapping,
): DerivedEvent {
  const number =
    sequence === null || record?.outcome !== 'read' ? null : readSequence(record.value, sequence);
  // So that it is known to have come though the process is killed before that is noted.
  const event =
    number === null ? mapped.event : { ...mapped.event, [SEQUENCE_ATTRIBUTE]: keyOf(number) };
  const rejection =
    mapped.outcome === 'rejected' ? { code: mapped.code, detail: mapped.detail } : null;
  return { value: event, rejection, toPayload: () => payloadOf(record, dialect) };
}

/** What is kept of a refused record: all of it but its secrets. */
function payloadOf(record: ReadRecord | undefined, dialect: Dialect): string {
  return record?.outcome === 'read'
    ? dialect.toText(redact(record.value))
    : redactText(record?.text ?? '');
}
