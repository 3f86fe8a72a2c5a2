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
      WEBHOOK_ALLOWED_PORTS: '443, 8000-8999',
      METERLINE_SECRET_KEYS: `${'ab'.repeat(32)},${Buffer.alloc(32, 1).toString('base64')}`,
    });
    expect(config).toMatchObject({
      host: '0.0.0.0',
      port: 8080,
      databaseUrl: 'postgres://u:p@db/meterline',
      role: 'worker',
      stripe: { webhookSecrets: ['whsec_a', 'whsec_b'] },
      webhooks: {
        allowedCidrs: ['10.0.0.0/8', '::1/128'],
        allowedPorts: [
          [443, 443],
          [8_000, 8_999],
        ],
      },
      secretKeys: [Buffer.alloc(32, 0xab), Buffer.alloc(32, 1)],
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
      METERLINE_SECRET_KEYS: 'geheim',
      WEBHOOK_ALLOWED_PORTS: '443,90-80,65536',
      WEBHOOK_PROXY_URL: 'socks5://u:geheim@proxy',
      WEBHOOK_CA_FILE: '/nowhere/ca.pem',
      WEBHOOK_CLIENT_KEY_FILE: '/nowhere/key.pem',
    });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'METERLINE_ADMIN_KEY',
      'DATABASE_URL',
      'PORT',
      'METERLINE_ROLE',
      'LOG_LEVEL',
      'INGEST_MAX_AGE_SECONDS',
      'INGEST_MAX_WAIT_MS',
      'STRIPE_API_BASE',
      'METERLINE_SECRET_KEYS',
      'WEBHOOK_ALLOWED_CIDRS',
      'WEBHOOK_ALLOWED_CIDRS',
      'WEBHOOK_CLIENT_KEY_FILE',
      'WEBHOOK_CLIENT_KEY_FILE',
      'WEBHOOK_ALLOWED_PORTS',
      'WEBHOOK_ALLOWED_PORTS',
      'WEBHOOK_PROXY_URL',
      'WEBHOOK_CA_FILE',
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
