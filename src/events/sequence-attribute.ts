/** The extension attribute by which an event is found that has the number of a counter; it is indexed. */
export const SEQUENCE_ATTRIBUTE = 'sequence_key';

/** Numbers of one counter that follow on each other, as texts of the attribute. */
export interface KeyRange {
  readonly first: string;
  readonly last: string;
}
