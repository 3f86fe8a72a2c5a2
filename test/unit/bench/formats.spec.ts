/*
 * Aim: the bench sends what it says. Method: each format's body is read by the service's own rules, and
 * must become the events that it was made of.
 */
import { FORMAT_NAMES, sourceFor, toRequest } from '../../bench/events/formats.js';
import { makeEvents, makeStream, repeatsIn } from '../../bench/events/usage-events.js';
import { gunzipSync } from 'node:zlib';
import { readBody, readLines } from '../../../src/events/read-body.js';
import { getFormat } from '../../../src/sources/formats/formats.js';
import { compileMapping, mapRecord } from '../../../src/sources/mapping.js';
import { RecordIds } from '../../../src/sources/record-id.js';

const SET = {
  shape: { subjects: 1_000, bytes: 190 },
  run: 'run',
  count: 200,
  endMs: Date.parse('2026-11-03T10:00:00.000Z'),
};

type Named = Record<string, unknown>;

/** What the service makes of a request, by the rules that it goes by. */
function eventsOf(format: (typeof FORMAT_NAMES)[number], request: Buffer): unknown[] {
  const end = request.indexOf('\r\n\r\n');
  const head = request.toString('latin1', 0, end);
  const sent = request.subarray(end + 4);
  const body = head.includes('content-encoding: gzip') ? gunzipSync(sent) : sent;
  const contentType = /content-type: (\S+)/.exec(head)?.[1] ?? '';
  const source = sourceFor(format);
  if (source === null) {
    const read = contentType.includes('ndjson') ? readLines(body) : readBody(body, contentType);
    return [...read.values];
  }
  const { read, mapping } = getFormat(source.format);
  const compiled = compileMapping({ ...mapping, ...source.mapping });
  return read(body, contentType).records.map((record) => {
    const mapped =
      record.outcome === 'read'
        ? mapRecord(record.value, compiled, source.key, new RecordIds())
        : record;
    return mapped.outcome === 'event' ? mapped.event : mapped;
  });
}

describe('formats of the bench', () => {
  it.each(FORMAT_NAMES)('sends the same events as %s', (format) => {
    const events = makeEvents(SET);
    const read = eventsOf(format, toRequest(format, events, { host: 'h', key: 'k' })) as Named[];
    expect(read).toHaveLength(events.length);
    for (const [index, event] of events.entries()) {
      const { id, subject, data } = read[index] as { id: string; subject: string; data: Named };
      expect({ subject, type: read[index]?.['type'] }).toEqual({
        subject: event.subject,
        type: event.type,
      });
      // Moesif's ids have the time of the request in them.
      expect(id.startsWith(event.id)).toBe(true);
      const texts = Object.entries(data).map(([name, value]) => [name, String(value)]);
      expect(Object.fromEntries(texts)).toEqual({
        status: String(event.data.status),
        bytes: String(event.data.bytes),
        region: event.data.region,
      });
    }
  });
});

describe('makeStream', () => {
  it.each([
    [0, 0],
    [10, 20],
    [33, 66],
    [100, 200],
  ])('repeats %i of a hundred events', (repeatPercent, expected) => {
    const repeats = { ...SET, run: 'before', count: 50 };
    const stream = { fresh: SET, repeats, repeatPercent };
    const known = new Map(makeEvents(repeats).map((event) => [event.id, event]));
    const repeated = makeStream(stream).filter(({ id }) => known.has(id));
    expect(repeated).toHaveLength(expected);
    expect(repeatsIn(stream)).toBe(expected);
    for (const event of repeated) {
      expect(event).toEqual(known.get(event.id));
    }
  });
});
