import { type CompiledMapping, type Mapping } from './mapping.js';
import { type Format } from './formats/format.js';

/** Where tokens are looked for besides Authorization; names of headers are in lower case. */
export type TokenPlace = { readonly header: string } | { readonly query: string };

/** From when on a source is said to be rejecting. */
export interface RejectingRule {
  /** Decimal above 0, at most 1: the part of the records that are refused. */
  readonly share: string;
  /** With fewer in the window nothing is said. */
  readonly minRecords: number;
  readonly windowSeconds: number;
}

/** Something that sends records, such as a gateway, and how they become usage events. */
export interface Source {
  readonly id: string;
  /** Also the `source` of its usage events, hence never given to another one. */
  readonly key: string;
  readonly name: string;
  /** Name of a format. */
  readonly format: string;
  /** What differs from the mapping of the format. */
  readonly mapping: Partial<Mapping>;
  readonly tokenPlace: TokenPlace | null;
  /** Seconds after which a source that sends nothing is silent; null when nothing is expected. */
  readonly expectedEvery: number | null;
  /** When something was last stored from it, to within five seconds; null when nothing ever was. */
  readonly lastStoredAt: Date | null;
  /** Null unless it was told that nothing comes. */
  readonly silentSince: Date | null;
  /** Null when the share of what is refused is not watched. */
  readonly rejecting: RejectingRule | null;
  /** Null unless it was told that the share is reached. */
  readonly rejectingSince: Date | null;
  /** Seconds that what is missing may yet come before it is told. */
  readonly gapGrace: number;
  readonly createdAt: Date;
  readonly archivedAt: Date | null;
}

/** What batches of records from their senders may need to come, with retries. */
export const DEFAULT_GAP_GRACE_SECONDS = 300;

/** A source that is ready to read records. */
export interface ReadySource {
  readonly source: Source;
  readonly format: Format;
  readonly mapping: CompiledMapping;
}

export interface SourceChanges {
  readonly name?: string;
  readonly mapping?: Partial<Mapping>;
  readonly tokenPlace?: TokenPlace | null;
  readonly expectedEvery?: number | null;
  readonly rejecting?: RejectingRule | null;
  readonly gapGrace?: number;
}
