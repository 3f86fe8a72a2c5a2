import { apisix } from './apisix.js';
import { awsApiGateway } from './aws-api-gateway.js';
import { caddy } from './caddy.js';
import { cloudevents } from './cloudevents.js';
import { envoyOtlp } from './envoy-otlp.js';
import { type Format } from './format.js';
import { json } from './json.js';
import { kong } from './kong.js';
import { lago } from './lago.js';
import { moesif } from './moesif.js';
import { nginxCombined } from './nginx-combined.js';
import { nginxJson } from './nginx-json.js';
import { openmeter } from './openmeter.js';
import { otlpLogs } from './otlp-logs.js';
import { stripe } from './stripe.js';
import { traefik } from './traefik.js';

const FORMATS: readonly Format[] = [
  cloudevents,
  kong,
  apisix,
  nginxJson,
  nginxCombined,
  caddy,
  traefik,
  awsApiGateway,
  otlpLogs,
  envoyOtlp,
  moesif,
  openmeter,
  lago,
  stripe,
  json,
];

export const FORMAT_NAMES: readonly string[] = FORMATS.map(({ name }) => name);

/** The format of this name. */
export function getFormat(name: string): Format {
  const format = FORMATS.find((one) => one.name === name);
  if (format === undefined) {
    throw new RangeError(`There is no format '${name}'`);
  }
  return format;
}
