/* Records as gateways write them, with the members that they have besides what is metered. */
import { type BenchEvent } from './usage-events.js';

const AGENT = 'acme-sdk/4.2.1 (linux; x64) node/20.11.1';
const PATH = '/v1/search';
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** An entry of Kong's http-log plugin. */
export function toKong({ id, subject, time, data }: BenchEvent): object {
  return {
    client_ip: '203.0.113.42',
    started_at: Date.parse(time),
    latencies: { kong: 2, proxy: 31, request: 35, receive: 2 },
    request: {
      id,
      method: 'POST',
      uri: PATH,
      url: `https://api.acme.example:8443${PATH}`,
      size: 612,
      querystring: {},
      headers: { host: 'api.acme.example', 'user-agent': AGENT, accept: 'application/json' },
    },
    response: {
      status: data.status,
      size: data.bytes,
      headers: { 'content-type': 'application/json', via: '1.1 kong/3.9.0' },
    },
    upstream_uri: '/search',
    upstream_status: String(data.status),
    tries: [{ ip: '10.0.3.17', port: 8080, balancer_latency: 0 }],
    consumer: { id: '5a1c2f6e-9d0b-4f0e-8b1d-6f6f1f5a9c11', custom_id: subject, username: subject },
    authenticated_entity: { id: 'a3dd113c-a898-41da-afbf-c1ad1cd2a1b2' },
    route: { id: 'f5a6c1de-2c9b-4c7c-9d2e-2f1b7e9f3c55', name: 'search', paths: [PATH] },
    service: { id: '9f3c5e1a-7b2d-4e8f-a6c4-1d5b9e7f2a33', name: data.region, port: 8080 },
    workspace: '8a5f3a3e-7b1f-4c0d-9f57-1fd3ab7c9a01',
    workspace_name: 'default',
  };
}

/** A line of the combined log format with `"$request_id" "$region"` behind it. */
export function toNginxLine({ id, subject, time, data }: BenchEvent): string {
  const [year, month, day] = time.slice(0, 10).split('-');
  const at = `${day}/${MONTHS[Number(month) - 1]}/${year}:${time.slice(11, 19)} +0000`;
  return `203.0.113.42 - ${subject} [${at}] "POST ${PATH} HTTP/1.1" ${data.status} ${data.bytes} "-" "${AGENT}" "${id}" "${data.region}"`;
}

/** An event of Moesif's middlewares. */
export function toMoesif({ id, subject, time, data }: BenchEvent): object {
  return {
    request: {
      time,
      uri: `https://api.acme.example${PATH}`,
      verb: 'POST',
      api_version: '1.0',
      ip_address: '203.0.113.42',
      headers: { host: 'api.acme.example', 'user-agent': AGENT, 'x-moesif-transaction-id': id },
    },
    response: {
      time,
      status: data.status,
      headers: { 'content-type': 'application/json' },
    },
    company_id: subject,
    user_id: 'user_17',
    direction: 'Incoming',
    weight: 1,
    metadata: { bytes: data.bytes, region: data.region },
  };
}
