/*
 * The only reader of the environment. Everything is read and checked once, and all faults are
 * reported together, so that an operator mends a deployment in one go.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type PortSpan } from './outbound/address-rules.js';
import { StartError } from './start-error.js';

/** Nest's token for the settings. */
export const CONFIG = Symbol('CONFIG');

export type Role = 'all' | 'api' | 'worker';

export interface Config {
  readonly host: string;
  readonly port: number;
  /** Undefined: the service runs its own PostgreSQL in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly adminKey: string | undefined;
  readonly role: Role;
  readonly logLevel: string;
  readonly bodyTimeoutMs: number;
  /** What the bodies of all requests with a key may hold together. */
  readonly maxBodiesBytes: number;
  readonly ingest: {
    readonly maxAgeSeconds: number;
    readonly maxAheadSeconds: number;
    readonly maxBodyBytes: number;
    readonly maxQueueBytes: number;
    readonly maxWaitMs: number;
  };
  readonly usage: {
    readonly isCheckRepairing: boolean;
    readonly previewTimeoutMs: number;
  };
  readonly stripe: {
    readonly secretKey: string | undefined;
    readonly webhookSecrets: readonly string[];
    readonly apiBase: URL | undefined;
    readonly timeoutMs: number;
    readonly pollSeconds: number;
    /** Undefined: what Stripe allows a key of this kind. */
    readonly callsPerSecond: number | undefined;
    readonly endpointCallsPerSecond: number;
    /** How often the usage of a subscription is sent to Stripe's meters. */
    readonly meterEventsSeconds: number;
    /** Whether a customer who is to be billed and is not at Stripe is created there. */
    readonly isCreatingCustomers: boolean;
    /** How long Stripe leaves the draft of a renewal open. */
    readonly draftWindowSeconds: number;
    /** From which hour of the day on (UTC) the nightly reconciliation is due; null: never. */
    readonly reconcileHour: number | null;
    readonly reconcileDays: number;
  };
  readonly standing: {
    /** Days that an invoice is past due before its customer is suspended. */
    readonly suspendAfterDays: number;
  };
  /** 32 bytes each: the first encrypts secrets, all of them decrypt; none: secrets are stored in the clear. */
  readonly secretKeys: readonly Buffer[];
  readonly webhooks: WebhookConfig;
}

export interface WebhookConfig {
  readonly allowedCidrs: readonly string[];
  readonly allowedPorts: readonly PortSpan[];
  /** From the look-up of the name to the last byte of the answer. */
  readonly timeoutMs: number;
  /** How long messages and their deliveries are kept, and how long attempts. */
  readonly keepMessagesDays: number;
  readonly keepAttemptsDays: number;
  /** Undefined: messages are sent straight to their receivers. */
  readonly proxyUrl: URL | undefined;
  /** PEM of authorities that are trusted besides those of Node. */
  readonly ca: string | undefined;
  /** PEM of what receivers are shown that ask for a certificate. */
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
}

/** What a setting is called, what it is when not set, and what it does; README's table says the same. */
export const SETTINGS = {
  HOST: '127.0.0.1',
  PORT: '3000',
  DATABASE_URL: undefined,
  METERLINE_DATA_DIR: '.meterline',
  METERLINE_ADMIN_KEY: undefined,
  METERLINE_ROLE: 'all',
  LOG_LEVEL: 'info',
  // 20 MB at 1.4 Mbit/s; what takes longer is better sent as lines, which are not held in memory.
  BODY_TIMEOUT_MS: '120000',
  // Twice the queue of ingest: requests hold their bodies while their events wait in it.
  MAX_BODIES_BYTES: '134217728',
  // Gateways that buffer through an outage send late; Stripe's meters take 35 days as well.
  INGEST_MAX_AGE_SECONDS: '3024000',
  INGEST_MAX_AHEAD_SECONDS: '300',
  INGEST_MAX_BODY_BYTES: '20971520',
  INGEST_MAX_QUEUE_BYTES: '67108864',
  INGEST_MAX_WAIT_MS: '10000',
  USAGE_CHECK_REPAIR: 'false',
  // Proxies commonly give up after 60 s.
  PREVIEW_TIMEOUT_MS: '30000',
  STRIPE_SECRET_KEY: undefined,
  STRIPE_WEBHOOK_SECRETS: undefined,
  STRIPE_API_BASE: undefined,
  STRIPE_TIMEOUT_MS: '20000',
  STRIPE_POLL_SECONDS: '60',
  STRIPE_CALLS_PER_SECOND: undefined,
  STRIPE_ENDPOINT_CALLS_PER_SECOND: '25',
  // An event for each meter of each customer: at 25 calls a second, 10,000 customers with 3 meters take 20 minutes.
  STRIPE_METER_EVENTS_SECONDS: '3600',
  STRIPE_CREATE_CUSTOMERS: 'false',
  // docs.stripe.com/billing/subscriptions/webhooks; longer where a grace period is set at Stripe.
  STRIPE_DRAFT_WINDOW_SECONDS: '3600',
  // Stripe's own retries of a failed payment take up to four weeks.
  SUSPEND_AFTER_DAYS: '30',
  // Periods close after midnight, and have reached Stripe by then.
  RECONCILE_HOUR: '3',
  // A month and its grace: until an invoice is paid or given up, mostly.
  RECONCILE_DAYS: '35',
  METERLINE_SECRET_KEYS: undefined,
  WEBHOOK_ALLOWED_CIDRS: undefined,
  // HTTP's own, and those that no privileged service listens on.
  WEBHOOK_ALLOWED_PORTS: '80,443,1024-65535',
  WEBHOOK_TIMEOUT_MS: '10000',
  // A quarter, after which books are closed.
  WEBHOOK_KEEP_MESSAGES_DAYS: '90',
  // A month of answers is what somebody looks into who asks why one was not taken.
  WEBHOOK_KEEP_ATTEMPTS_DAYS: '30',
  WEBHOOK_PROXY_URL: undefined,
  WEBHOOK_CA_FILE: undefined,
  WEBHOOK_CLIENT_CERT_FILE: undefined,
  WEBHOOK_CLIENT_KEY_FILE: undefined,
} as const satisfies Record<string, string | undefined>;

type Setting = keyof typeof SETTINGS;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
/** Stripe raises its limits on request, not this far. */
const MAX_CALLS_PER_SECOND = 10_000;
/** Short keys can be guessed; `openssl rand -hex 16` makes 32 characters. */
const MIN_ADMIN_KEY_LENGTH = 32;

/** All settings that are wrong, in one error. */
export class ConfigError extends StartError {
  constructor(readonly faults: readonly string[]) {
    super(`The configuration is wrong:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

class Reader {
  readonly faults: string[] = [];

  constructor(private readonly env: NodeJS.ProcessEnv) {}

  text(name: Setting): string | undefined {
    const value = this.env[name]?.trim();
    return value === undefined || value === '' ? SETTINGS[name] : value;
  }

  required(name: Setting): string {
    return this.text(name) ?? '';
  }

  whole(name: Setting, min: number, max: number): number {
    const text = this.required(name);
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      this.faults.push(`${name}: '${text}' is not a whole number from ${min} to ${max}`);
    }
    return value;
  }

  oneOf<T extends string>(name: Setting, allowed: readonly T[]): T {
    const text = this.required(name);
    const found = allowed.find((value) => value === text);
    if (found === undefined) {
      this.faults.push(`${name}: '${text}' is none of ${allowed.join(', ')}`);
    }
    return found ?? (text as T);
  }

  list(name: Setting): string[] {
    const entries = (this.text(name) ?? '').split(',').map((entry) => entry.trim());
    return entries.filter((entry) => entry !== '');
  }

  url(name: Setting, protocols: readonly string[]): URL | undefined {
    const text = this.text(name);
    if (text === undefined) {
      return undefined;
    }
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !protocols.includes(url.protocol)) {
      this.faults.push(`${name}: not a URL that starts with ${protocols.join(' or ')}//`);
    }
    return url;
  }

  /** The text of the file that a setting names. */
  file(name: Setting): string | undefined {
    const path = this.text(name);
    if (path === undefined) {
      return undefined;
    }
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      this.faults.push(
        `${name}: ${path} cannot be read (${String((error as { code?: string }).code)})`,
      );
      return undefined;
    }
  }

  check(name: Setting, isRight: boolean, fault: string): void {
    if (!isRight) {
      this.faults.push(`${name}: ${fault}`);
    }
  }
}

/**
 * Reads and checks the settings.
 *
 * @throws ConfigError with every fault, none of them showing a secret
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const reader = new Reader(env);
  const adminKey = reader.text('METERLINE_ADMIN_KEY');
  reader.check(
    'METERLINE_ADMIN_KEY',
    adminKey === undefined || adminKey.length >= MIN_ADMIN_KEY_LENGTH,
    `must have at least ${MIN_ADMIN_KEY_LENGTH} characters`,
  );
  reader.url('DATABASE_URL', ['postgres:', 'postgresql:']);
  const config: Config = {
    host: reader.required('HOST'),
    port: reader.whole('PORT', 0, 65_535),
    databaseUrl: reader.text('DATABASE_URL'),
    dataDir: reader.required('METERLINE_DATA_DIR'),
    adminKey,
    role: reader.oneOf<Role>('METERLINE_ROLE', ['all', 'api', 'worker']),
    logLevel: reader.oneOf('LOG_LEVEL', LOG_LEVELS),
    bodyTimeoutMs: reader.whole('BODY_TIMEOUT_MS', 100, 3_600_000),
    maxBodiesBytes: reader.whole('MAX_BODIES_BYTES', 1_048_576, 2 ** 36),
    ingest: readIngest(reader),
    usage: {
      isCheckRepairing: reader.oneOf('USAGE_CHECK_REPAIR', ['true', 'false']) === 'true',
      previewTimeoutMs: reader.whole('PREVIEW_TIMEOUT_MS', 100, 60_000),
    },
    stripe: readStripe(reader),
    standing: { suspendAfterDays: reader.whole('SUSPEND_AFTER_DAYS', 0, 36_500) },
    secretKeys: readSecretKeys(reader),
    webhooks: readWebhooks(reader),
  };
  reader.check(
    'MAX_BODIES_BYTES',
    config.maxBodiesBytes >= config.ingest.maxBodyBytes,
    'must be at least INGEST_MAX_BODY_BYTES, or the largest requests could never be read',
  );
  if (reader.faults.length > 0) {
    throw new ConfigError(reader.faults);
  }
  return Object.freeze(config);
}

function readIngest(reader: Reader): Config['ingest'] {
  return {
    maxAgeSeconds: reader.whole('INGEST_MAX_AGE_SECONDS', 60, 10 * 366 * 86_400),
    maxAheadSeconds: reader.whole('INGEST_MAX_AHEAD_SECONDS', 0, 86_400),
    maxBodyBytes: reader.whole('INGEST_MAX_BODY_BYTES', 1_024, 2 ** 28),
    maxQueueBytes: reader.whole('INGEST_MAX_QUEUE_BYTES', 1_024, 2 ** 32),
    maxWaitMs: reader.whole('INGEST_MAX_WAIT_MS', 0, 600_000),
  };
}

function readStripe(reader: Reader): Config['stripe'] {
  return {
    secretKey: reader.text('STRIPE_SECRET_KEY'),
    webhookSecrets: reader.list('STRIPE_WEBHOOK_SECRETS'),
    apiBase: reader.url('STRIPE_API_BASE', ['http:', 'https:']),
    timeoutMs: reader.whole('STRIPE_TIMEOUT_MS', 100, 80_000),
    pollSeconds: reader.whole('STRIPE_POLL_SECONDS', 1, 86_400),
    callsPerSecond:
      reader.text('STRIPE_CALLS_PER_SECOND') === undefined
        ? undefined
        : reader.whole('STRIPE_CALLS_PER_SECOND', 1, MAX_CALLS_PER_SECOND),
    endpointCallsPerSecond: reader.whole(
      'STRIPE_ENDPOINT_CALLS_PER_SECOND',
      1,
      MAX_CALLS_PER_SECOND,
    ),
    meterEventsSeconds: reader.whole('STRIPE_METER_EVENTS_SECONDS', 60, 86_400),
    isCreatingCustomers: reader.oneOf('STRIPE_CREATE_CUSTOMERS', ['true', 'false']) === 'true',
    draftWindowSeconds: reader.whole('STRIPE_DRAFT_WINDOW_SECONDS', 60, 30 * 86_400),
    reconcileHour:
      reader.required('RECONCILE_HOUR') === 'off' ? null : reader.whole('RECONCILE_HOUR', 0, 23),
    reconcileDays: reader.whole('RECONCILE_DAYS', 1, 400),
  };
}

/** Keys of AES-256. */
const SECRET_KEY_BYTES = 32;

function readSecretKeys(reader: Reader): Buffer[] {
  const keys = reader
    .list('METERLINE_SECRET_KEYS')
    .map((text) => Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64'));
  reader.check(
    'METERLINE_SECRET_KEYS',
    keys.every((key) => key.length === SECRET_KEY_BYTES),
    'each must be 32 bytes in base64 or hexadecimal, as `openssl rand -base64 32` makes them',
  );
  return keys;
}

function readWebhooks(reader: Reader): WebhookConfig {
  const allowedCidrs = reader.list('WEBHOOK_ALLOWED_CIDRS');
  for (const cidr of allowedCidrs) {
    reader.check('WEBHOOK_ALLOWED_CIDRS', isCidr(cidr), `'${cidr}' is no CIDR such as 10.0.0.0/8`);
  }
  const cert = reader.file('WEBHOOK_CLIENT_CERT_FILE');
  const key = reader.file('WEBHOOK_CLIENT_KEY_FILE');
  reader.check(
    'WEBHOOK_CLIENT_KEY_FILE',
    (reader.text('WEBHOOK_CLIENT_CERT_FILE') === undefined) ===
      (reader.text('WEBHOOK_CLIENT_KEY_FILE') === undefined),
    'must be set together with WEBHOOK_CLIENT_CERT_FILE',
  );
  return {
    allowedCidrs,
    allowedPorts: reader.list('WEBHOOK_ALLOWED_PORTS').map((span) => readPorts(reader, span)),
    timeoutMs: reader.whole('WEBHOOK_TIMEOUT_MS', 100, 30_000),
    keepMessagesDays: reader.whole('WEBHOOK_KEEP_MESSAGES_DAYS', 1, 36_500),
    keepAttemptsDays: reader.whole('WEBHOOK_KEEP_ATTEMPTS_DAYS', 1, 36_500),
    proxyUrl: reader.url('WEBHOOK_PROXY_URL', ['http:', 'https:']),
    ca: reader.file('WEBHOOK_CA_FILE'),
    certificate: cert === undefined || key === undefined ? undefined : { cert, key },
  };
}

function readPorts(reader: Reader, span: string): PortSpan {
  const [first = '', last = first] = span.split('-');
  const ports = [Number(first), Number(last)] as const;
  const isSpan = /^\d+(?:-\d+)?$/.test(span) && ports[0] <= ports[1] && ports[1] <= 65_535;
  reader.check('WEBHOOK_ALLOWED_PORTS', isSpan, `'${span}' is no port or span such as 8000-8999`);
  return ports;
}

function isCidr(text: string): boolean {
  const [address = '', bits = ''] = text.split('/');
  const family = isIP(address);
  return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}
