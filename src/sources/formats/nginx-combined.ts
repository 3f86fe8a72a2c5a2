import { readTextLines } from '../read-records.js';
import { type Format } from './format.js';

/** nginx and Apache: the combined log format, and quoted fields that an operator has added behind it. */
const LINE =
  /^(\S+) \S+ (.+?) \[([^[\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}|-) (\d+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?((?: "(?:[^"\\]|\\.)*")*)\s*$/;
const QUOTED = /"((?:[^"\\]|\\.)*)"/g;
const REQUEST = /^([A-Z]+) ([^\s?]*)(?:\?(\S*))?(?: (HTTP\/[\d.]+))?$/;
/** Whatever is longer is no line of an access log. */
const MAX_LINE_LENGTH = 16_384;

/**
 * Its lines have no id and whole seconds: two equal ones are told apart within a request, but not
 * when they come in two. Add `"$request_id"` behind the line and map it: `id: $.extra_1`.
 */
export const nginxCombined: Format = {
  name: 'nginx-combined',
  read: (body, contentType) => readTextLines(body, contentType, toJson),
  mapping: {
    id: null,
    subject: '$.remote_user',
    type: { value: 'api.request' },
    time: '$.time_local',
    data: {
      method: '$.method',
      path: '$.path',
      status: '$.status',
      response_bytes: '$.body_bytes_sent',
    },
    ignore: [],
  },
};

function toJson(line: string): string | null {
  const match = line.length > MAX_LINE_LENGTH ? null : LINE.exec(line);
  if (match === null) {
    return null;
  }
  const [, address, user, time, request = '', status, bytes, referer, agent, extra = ''] = match;
  const [, method, path, query, protocol] = REQUEST.exec(unquote(request)) ?? [];
  const extras = [...extra.matchAll(QUOTED)].map((found, index) => [
    `extra_${index + 1}`,
    unquote(found[1] ?? ''),
  ]);
  return JSON.stringify({
    remote_addr: address,
    remote_user: user,
    time_local: time,
    method,
    path,
    query,
    protocol,
    status: numberOf(status),
    body_bytes_sent: numberOf(bytes),
    referer: referer === undefined ? undefined : unquote(referer),
    user_agent: agent === undefined ? undefined : unquote(agent),
    ...Object.fromEntries(extras),
  });
}

/** A number where a double holds it, else its text; `-` is how the format says that there is none. */
function numberOf(text = '-'): number | string | undefined {
  if (text === '-') {
    return undefined;
  }
  return Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

function unquote(text: string): string {
  return text.replaceAll(/\\(["\\])/g, '$1');
}
