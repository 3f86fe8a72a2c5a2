import { MeterFilterDto } from './meter-filter.dto.js';
import { type Meter, propertyOf, valueOf } from './meter.js';

export class MeterResponse {
  id: string;
  key: string;
  name: string;
  description: string;
  unit: string;
  event_type: string;
  aggregation: string;
  value_property: string | null;
  /** The expression; null when a property is read, or nothing. */
  value: string | null;
  /** Per cent; null unless the aggregation is `percentile`. */
  percentile: string | null;
  filters: MeterFilterDto[];
  group_by: Record<string, string>;
  counts_from: string | null;
  /** Usage from then on is not counted; null while the meter is in use. */
  archived_at: string | null;
  created_at: string;
}

/** A meter, as the API shows it. */
export function toMeterResponse(meter: Meter): MeterResponse {
  const { aggregation } = meter;
  const value = valueOf(aggregation);
  return {
    id: meter.id,
    key: meter.key,
    name: meter.name,
    description: meter.description,
    unit: meter.unit,
    event_type: meter.eventType,
    aggregation: aggregation.kind,
    value_property: propertyOf(aggregation),
    value: value?.kind === 'expression' ? value.text : null,
    percentile: aggregation.kind === 'percentile' ? aggregation.percentile : null,
    filters: [...meter.filters] as MeterFilterDto[],
    group_by: Object.fromEntries(meter.groupBy.map(({ key, property }) => [key, property])),
    counts_from: meter.countsFrom?.toISOString() ?? null,
    archived_at: meter.archivedAt?.toISOString() ?? null,
    created_at: meter.createdAt.toISOString(),
  };
}
