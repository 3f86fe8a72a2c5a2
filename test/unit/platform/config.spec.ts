import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigError, readConfig, SETTINGS } from '../../../src/platform/config.js';

const README = fileURLToPath(new URL('../../../README.md', import.meta.url));

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.faults;
    }
    throw error;
  }
  return [];
}

describe('readConfig', () => {
  it('needs nothing to be set', () => {
    expect(readConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      databaseUrl: undefined,
      role: 'all',
      ingest: { maxAgeSeconds: 35 * 86_400, maxAheadSeconds: 300 },
      stripe: { secretKey: undefined, webhookSecrets: [] },
      webhooks: { allowedCidrs: [] },
    });
  });

  it('takes an empty setting for one that is not set', () => {
    const empty = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, ' ']));
    expect(readConfig(empty)).toEqual(readConfig({}));
  });

  it('reads every setting', () => {
    const config = readConfig({
      HOST: '0.0.0.0',
      PORT: '8080',
      DATABASE_URL: 'postgres://u:p@db/meterline',
      METERLINE_ROLE: 'worker',
      STRIPE_WEBHOOK_SECRETS: 'whsec_a, whsec_b,',
      STRIPE_API_BASE: 'http://127.0.0.1:12111',
      WEBHOOK_ALLOWED_CIDRS: '10.0.0.0/8,::1/128',
    });
    expect(config).toMatchObject({
      host: '0.0.0.0',
      port: 8080,
      databaseUrl: 'postgres://u:p@db/meterline',
      role: 'worker',
      stripe: { webhookSecrets: ['whsec_a', 'whsec_b'] },
      webhooks: { allowedCidrs: ['10.0.0.0/8', '::1/128'] },
    });
    expect(config.stripe.apiBase?.href).toBe('http://127.0.0.1:12111/');
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('reports all faults together, and no secret', () => {
    const faults = faultsOf({
      PORT: '70000',
      DATABASE_URL: 'mysql://root:geheim@db/x',
      METERLINE_ADMIN_KEY: 'geheim',
      METERLINE_ROLE: 'boss',
      LOG_LEVEL: 'loud',
      INGEST_MAX_AGE_SECONDS: '1.5',
      INGEST_MAX_WAIT_MS: '-1',
      STRIPE_API_BASE: 'stripe',
      WEBHOOK_ALLOWED_CIDRS: '10.0.0.0/33,nowhere',
    });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'METERLINE_ADMIN_KEY',
      'DATABASE_URL',
      'WEBHOOK_ALLOWED_CIDRS',
      'WEBHOOK_ALLOWED_CIDRS',
      'PORT',
      'METERLINE_ROLE',
      'LOG_LEVEL',
      'INGEST_MAX_AGE_SECONDS',
      'INGEST_MAX_WAIT_MS',
      'STRIPE_API_BASE',
    ]);
    expect(faults.join('\n')).not.toContain('geheim');
  });

  it.each(['', '-1', '1e3', '0x10', '65536', '3000.0', 'http'].filter((port) => port !== ''))(
    'refuses the port %p',
    (port) => {
      expect(faultsOf({ PORT: port })).toHaveLength(1);
    },
  );
});

describe('README.md', () => {
  const rows = existsSync(README)
    ? readFileSync(README, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('|'))
    : [];

  it.each(Object.keys(SETTINGS))('tells in its table what %s does', (name) => {
    expect(rows.filter((row) => row.startsWith(`| \`${name}\` |`))).toHaveLength(1);
  });
});
