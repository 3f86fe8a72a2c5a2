/*
 * What a record says as a usage event. Only what the mapping names is kept of a record; everything
 * here is pure, and numbers stay the texts that they came as.
 */
import { type Rejection } from '../events/usage-event.js';
import { formatPropertyPath } from '../kernel/property-path.js';
import {
  firstTextAt,
  isDeeperThan,
  isRecord,
  type Path,
  textAt,
  toPath,
  valueAt,
} from './record.js';
import { compileFilter, type RecordFilter, type RecordTest } from './record-filter.js';
import { type RecordIds } from './record-id.js';
import { readRecordTime, type TimeUnit } from './record-time.js';
import { redact } from './secrets.js';
import { type CompiledSequence, joinTexts } from './sequences/sequence.js';

/** How records become usage events; all paths are such as `$.request.id`. */
export interface Mapping {
  /** Joined: all must be there. Null, or a record without it: a hash of the record. */
  readonly id: string | { readonly join: readonly string[] } | null;
  /** The first that is there. */
  readonly subject: string | readonly string[];
  readonly type: string | { readonly value: string };
  /** The first that is there. Null, or a record without it: the time of receipt. */
  readonly time:
    string | readonly string[] | { readonly path: string; readonly unit?: TimeUnit } | null;
  /** Names in `data` with the path of each; or the path of an object that is kept whole. */
  readonly data: string | Readonly<Record<string, string>>;
  /** A record that any of these matches is not usage. */
  readonly ignore: readonly RecordFilter[];
  /** The number that the sender gives a record, and what owns the counter. Null: none is looked at. */
  readonly sequence?:
    | string
    | { readonly path: string; readonly of?: string | { readonly join: readonly string[] } }
    | null;
}

/** A mapping that is ready for use. */
export interface CompiledMapping {
  readonly id: readonly Path[];
  readonly subject: readonly Path[];
  readonly type: { readonly value: string } | { readonly path: Path };
  readonly time: readonly Path[];
  readonly unit: TimeUnit | null;
  readonly data: Path | readonly (readonly [name: string, path: Path])[];
  readonly isDataWhole: boolean;
  readonly ignore: readonly RecordTest[];
  readonly sequence: CompiledSequence | null;
}

/** What a record is; an event may yet be refused by the rules of events. */
export type MappedRecord =
  | { readonly outcome: 'event'; readonly event: Record<string, unknown> }
  | { readonly outcome: 'ignored' }
  | ({ readonly outcome: 'rejected'; readonly event: NamedEvent } & Rejection);

/** As much of an event as tells which one it is. */
interface NamedEvent {
  readonly source: string;
  readonly id?: string;
}

type SequenceRule = NonNullable<Mapping['sequence']> | null;

const MAX_DEPTH = 64;

/** The mapping with its paths parsed. */
export function compileMapping(mapping: Mapping): CompiledMapping {
  const { id, subject, type, time, data } = mapping;
  const unit = typeof time === 'object' && time !== null && 'path' in time ? time.unit : null;
  return {
    id: idPaths(id).map(toPath),
    subject: listOf(subject).map(toPath),
    type: typeof type === 'string' ? { path: toPath(type) } : { value: type.value },
    time: timePaths(time).map(toPath),
    unit: unit ?? null,
    data:
      typeof data === 'string'
        ? toPath(data)
        : Object.entries(data).map(([name, path]) => [name, toPath(path)] as const),
    isDataWhole: typeof data === 'string',
    ignore: mapping.ignore.map(compileFilter),
    sequence: compileSequence(mapping.sequence ?? null),
  };
}

/** All paths of a mapping by which something of a record is kept. */
export function keptPaths(mapping: Partial<Mapping>): string[] {
  const { id = null, subject = [], type, time = null, data = {} } = mapping;
  return [
    ...idPaths(id),
    ...listOf(subject),
    ...(typeof type === 'string' ? [type] : []),
    ...timePaths(time),
    ...(typeof data === 'string' ? [data] : Object.values(data)),
    ...sequencePaths(mapping.sequence ?? null),
  ];
}

/** What the mapping makes of a record. `ids` are those of the request that it came in. */
export function mapRecord(
  record: unknown,
  mapping: CompiledMapping,
  source: string,
  ids: RecordIds,
): MappedRecord {
  if (!isRecord(record)) {
    return refused({ source }, 'not_an_object', 'A record must be a JSON object.');
  }
  if (isDeeperThan(record, MAX_DEPTH)) {
    return refused({ source }, 'too_deep', `The record is nested deeper than ${MAX_DEPTH} levels.`);
  }
  if (mapping.ignore.some((isIgnored) => isIgnored(record))) {
    return { outcome: 'ignored' };
  }
  const id = readId(record, mapping) ?? ids.next(record);
  const subject = firstTextAt(record, mapping.subject);
  if (subject === null) {
    const paths = mapping.subject.map(formatPropertyPath).join(', ');
    return refused(
      { source, id },
      'missing_subject',
      `subject: the record has no text at ${paths}.`,
    );
  }
  const time = firstTextAt(record, mapping.time);
  const iso = time === null ? null : readRecordTime(time, mapping.unit);
  if (time !== null && iso === null) {
    const detail = `time: ${JSON.stringify(time.slice(0, 64))} is no time.`;
    return refused({ source, id }, 'invalid_time', detail);
  }
  return {
    outcome: 'event',
    event: {
      id,
      source,
      type: 'value' in mapping.type ? mapping.type.value : textAt(record, mapping.type.path),
      subject,
      ...(iso !== null && { time: iso }),
      data: readData(record, mapping),
    },
  };
}

function readId(record: unknown, { id }: CompiledMapping): string | null {
  const [first] = id;
  if (first === undefined || id.length === 1) {
    return first === undefined ? null : textAt(record, first);
  }
  return joinTexts(id.map((path) => textAt(record, path)));
}

function readData(record: unknown, mapping: CompiledMapping): unknown {
  if (mapping.isDataWhole) {
    return redact(valueAt(record, mapping.data as Path));
  }
  const fields = mapping.data as readonly (readonly [string, Path])[];
  const present = fields
    .map(([name, path]) => [name, valueAt(record, path)] as const)
    .filter(([, value]) => value !== undefined);
  return Object.fromEntries(present.map(([name, value]) => [name, redact(value)]));
}

function compileSequence(sequence: SequenceRule): CompiledSequence | null {
  const [path, ...of] = sequencePaths(sequence);
  return path === undefined ? null : { path: toPath(path), of: of.map(toPath) };
}

/** Of the number, and behind it of what owns the counter. */
function sequencePaths(sequence: SequenceRule): readonly string[] {
  if (sequence === null || typeof sequence === 'string') {
    return sequence === null ? [] : [sequence];
  }
  return [sequence.path, ...idPaths(sequence.of ?? null)];
}

function idPaths(id: Mapping['id']): readonly string[] {
  return typeof id === 'string' ? [id] : (id?.join ?? []);
}

function timePaths(time: Mapping['time']): readonly string[] {
  if (time === null) {
    return [];
  }
  return typeof time === 'object' && 'path' in time ? [time.path] : listOf(time);
}

function listOf(paths: string | readonly string[]): readonly string[] {
  return typeof paths === 'string' ? [paths] : paths;
}

function refused(event: NamedEvent, code: string, detail: string): MappedRecord {
  return { outcome: 'rejected', event, code, detail };
}
