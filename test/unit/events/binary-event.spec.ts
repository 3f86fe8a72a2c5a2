import { isBinaryEvent, readBinaryEvent } from '../../../src/events/binary-event.js';

const HEADERS = {
  'content-type': 'application/json',
  'ce-specversion': '1.0',
  'ce-id': 'i',
  'ce-source': '/gateway',
  'ce-type': 'api.request',
  'ce-subject': 'key-1',
  'ce-traceparent': '00-1',
};

describe('isBinaryEvent', () => {
  it.each([
    [{ 'ce-id': 'i' }, true],
    [{ 'ce-specversion': '1.0', 'content-type': 'application/json' }, true],
    [{ 'content-type': 'application/json' }, false],
    [{ 'ce-id': 'i', 'content-type': 'application/cloudevents+json; charset=utf-8' }, false],
    [{ 'ce-id': 'i', 'content-type': 'Application/CloudEvents-Batch+JSON' }, false],
  ])('tells %p', (headers, isBinary) => {
    expect(isBinaryEvent(headers)).toBe(isBinary);
  });
});

describe('readBinaryEvent', () => {
  it('takes attributes from headers and data from the body, with every digit', () => {
    const body = Buffer.from('{"v":12345678901234567890}');
    const { values, dialect } = readBinaryEvent({ ...HEADERS, host: 'h' }, body);
    expect(dialect.toText(values[0])).toBe(
      '{"specversion":"1.0","id":"i","source":"/gateway","type":"api.request","subject":"key-1","traceparent":"00-1","data":{"v":12345678901234567890}}',
    );
  });

  it('needs no data', () => {
    expect(readBinaryEvent(HEADERS, Buffer.alloc(0)).values).toEqual([
      expect.not.objectContaining({ data: expect.anything() }),
    ]);
  });

  it.each([
    ['caf%C3%A9', 'café'],
    ['50%25', '50%'],
    ['50%', '50%'],
    ['%ff', '%ff'],
    // As the cloudevents package sends it: raw bytes, which Node reads as Latin-1.
    ['caf\u00c3\u00a9', 'caf\u00c3\u00a9'],
  ])('reads the subject %p', (sent, subject) => {
    const { values } = readBinaryEvent({ ...HEADERS, 'ce-subject': sent }, Buffer.alloc(0));
    expect(values).toEqual([expect.objectContaining({ subject })]);
  });

  it.each(['[{"a":1}]', '[]', '[{},{}]', '7', '"x"'])('refuses the data %s alone', (body) => {
    const { values } = readBinaryEvent(HEADERS, Buffer.from(body));
    expect(values).toMatchObject([{ code: 'invalid_data', text: body }]);
  });
});
