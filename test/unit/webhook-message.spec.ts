import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { VERSION } from '../../src/platform/version.js';
import { newSecret, publicKeyOf, sign } from '../../src/webhooks/deliveries/signature.js';
import { isSignedBy } from '../support/public-key.js';
import {
  DELIVERY_STATES,
  DELIVERY_TRANSITIONS,
} from '../../src/webhooks/deliveries/webhook-delivery.js';
import { MESSAGE_TYPE_NAMES, messageBody } from '../../src/webhooks/webhook-message.js';

describe('messageBody', () => {
  const occurredAt = new Date('2026-11-03T10:20:30.456Z');

  it('is the documented form', () => {
    const data = { endpoint: 'we_1' };
    expect(messageBody({ type: 'webhook.test', data, occurredAt }, 17)).toBe(
      '{"type":"webhook.test","timestamp":"2026-11-03T10:20:30.456Z","api_version":"2026-11-01","sequence":17,"data":{"endpoint":"we_1"}}',
    );
    expect(messageBody({ type: 'webhook.test', data, occurredAt }, 17, true)).toContain(
      '"sequence":17,"test":true,"data"',
    );
  });

  it('holds no NUL and no lone surrogate, whatever the data', () => {
    const data = { endpoint: '\0\uD800' };
    const body = messageBody({ type: 'webhook.test', data, occurredAt }, 1);
    expect(body.isWellFormed() && !body.includes('\0')).toBe(true);
  });

  it('refuses what no receiver would take', () => {
    const data = { endpoint: 'x'.repeat(300_000) };
    expect(() => messageBody({ type: 'webhook.test', data, occurredAt }, 1)).toThrow(RangeError);
  });

  it('has types as Standard Webhooks writes them', () => {
    expect(MESSAGE_TYPE_NAMES.filter((name) => !/^[a-z_]+(?:\.[a-z_]+)+$/.test(name))).toEqual([]);
  });
});

describe('sign', () => {
  it("makes the signature of Standard Webhooks' own example", () => {
    const content = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestampSeconds: 1_614_265_330,
      body: '{"test": 2432232314}',
    };
    expect(sign(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], content)).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    );
  });

  it('agrees with the library that receivers use, on any body', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), (body, timestampSeconds) => {
        const secret = newSecret();
        const expected = new Webhook(secret).sign(
          'msg_1',
          new Date(timestampSeconds * 1_000),
          body,
        );
        expect(sign([secret], { id: 'msg_1', timestampSeconds, body })).toBe(expected);
      }),
    );
  });

  it('makes the signature of v1a that the server of Svix is tested with', () => {
    const secret =
      'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==';
    const content = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestampSeconds: 1_614_265_330,
      body: '{"test": 2432232314}',
    };
    expect(sign([secret], content)).toBe(
      'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
    );
    expect(publicKeyOf(secret)).toBe('whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=');
  });

  it('is verified with the public key alone, and by no other, on any body', () => {
    const [secret, other] = [newSecret('v1a'), newSecret('v1a')];
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), (body, timestampSeconds) => {
        const headers = {
          'webhook-id': 'msg_1',
          'webhook-timestamp': String(timestampSeconds),
          'webhook-signature': sign([newSecret(), secret], { id: 'msg_1', timestampSeconds, body }),
        };
        expect(isSignedBy(publicKeyOf(secret)!, headers, body)).toBe(true);
        expect(isSignedBy(publicKeyOf(other)!, headers, body)).toBe(false);
        expect(isSignedBy(publicKeyOf(secret)!, headers, `${body} `)).toBe(false);
      }),
    );
    expect(secret).toMatch(/^whsk_[A-Za-z0-9+/]{86}==$/);
    expect(publicKeyOf(secret)).toMatch(/^whpk_[A-Za-z0-9+/]{43}=$/);
    expect(publicKeyOf(newSecret())).toBeNull();
  });

  it('makes secrets of 32 bytes, each another', () => {
    const secrets = [newSecret(), newSecret()];
    expect(new Set(secrets).size).toBe(2);
    expect(secrets[0]).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  });
});

describe('DELIVERY_TRANSITIONS', () => {
  const legal = [
    'pending>sending',
    'pending>failed',
    'sending>pending',
    'sending>succeeded',
    'sending>failed',
    'failed>pending',
  ];

  it.each(DELIVERY_STATES.flatMap((from) => DELIVERY_STATES.map((to) => [from, to] as const)))(
    'decides on %s to %s',
    (from, to) => {
      const targets: readonly string[] = DELIVERY_TRANSITIONS[from];
      expect(targets.includes(to)).toBe(legal.includes(`${from}>${to}`));
    },
  );
});

describe('VERSION', () => {
  it('is that of the package', () => {
    const file = new URL('../../package.json', import.meta.url);
    expect((JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version).toBe(VERSION);
  });
});
