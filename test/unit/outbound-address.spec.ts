import * as fc from 'fast-check';
import { AddressRules } from '../../src/platform/outbound/address-rules.js';
import { readOutboundUrl } from '../../src/platform/outbound/outbound-url.js';

const strict = new AddressRules([]);
const lan = new AddressRules(['10.0.0.0/8', 'fd00:1::/32']);

describe('AddressRules', () => {
  it.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111', '2001:4860:4860::8888', '::ffff:8.8.8.8'])(
    'calls %s public',
    (address) => {
      expect(strict.kindOf(address)).toBe('public');
    },
  );

  it.each([
    ['this network', '0.0.0.0'],
    ['this network', '0.1.2.3'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['private', '10.1.2.3'],
    ['private', '172.16.0.1'],
    ['private', '192.168.1.1'],
    ['carrier NAT', '100.64.0.1'],
    ['link local, metadata of clouds', '169.254.169.254'],
    ['IETF', '192.0.0.1'],
    ['benchmarks', '198.18.0.1'],
    ['documentation', '203.0.113.1'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['IPv6 unspecified', '::'],
    ['IPv6 loopback', '::1'],
    ['IPv6 link local', 'fe80::1'],
    ['IPv6 link local with a zone', 'fe80::1%eth0'],
    ['IPv6 unique local', 'fc00::1'],
    ['IPv6 metadata of clouds', 'fd00:ec2::254'],
    ['IPv6 site local', 'fec0::1'],
    ['IPv6 multicast', 'ff02::1'],
    ['IPv6 documentation', '2001:db8::1'],
    ['IPv6 discard', '100::1'],
    ['IPv6 segment routing', '5f00::1'],
    ['IPv6 never given out', '4000::1'],
    ['4 in 6, mapped', '::ffff:127.0.0.1'],
    ['4 in 6, mapped in hexadecimal', '::ffff:7f00:1'],
    ['4 in 6, compatible', '::127.0.0.1'],
    ['4 in 6, translated', '::ffff:0:127.0.0.1'],
    ['4 in 6, NAT64', '64:ff9b::7f00:1'],
    ['4 in 6, local NAT64', '64:ff9b:1::7f00:1'],
    ['4 in 6, ISATAP', '::5efe:7f00:1'],
    ['4 in 6, 6to4', '2002:7f00:1::'],
    ['4 in 6, Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['no address', 'localhost'],
    ['no address', ''],
  ])('forbids %s: %s', (_, address) => {
    expect(strict.kindOf(address)).toBe('forbidden');
  });

  it('allows exactly the networks that were named, in IPv6 clothes too', () => {
    const kinds = [
      '10.9.9.9',
      '::ffff:10.9.9.9',
      'fd00:1::5',
      'fd00:2::5',
      '11.0.0.1',
      '127.0.0.1',
    ];
    expect(kinds.map((address) => lan.kindOf(address))).toEqual([
      'allowed',
      'allowed',
      'allowed',
      'forbidden',
      'public',
      'forbidden',
    ]);
  });

  it('judges an IPv4 address and its mapped form alike', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(lan.kindOf(`::ffff:${address}`)).toBe(lan.kindOf(address));
      }),
    );
  });

  it('never calls an IPv6 address outside of 2000::/3 public', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const outside = fc.oneof(
      fc.integer({ min: 1, max: 0x1fff }),
      fc.integer({ min: 0x4000, max: 0xffff }),
    );
    fc.assert(
      fc.property(outside, fc.array(group, { minLength: 7, maxLength: 7 }), (first, rest) => {
        const address = [first, ...rest].map((part) => part.toString(16)).join(':');
        expect(strict.kindOf(address)).toBe('forbidden');
      }),
    );
  });
});

describe('readOutboundUrl', () => {
  it.each([
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://127.0.0.1./',
    'https://１２７.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[0:0:0:0:0:ffff:7f00:1]/',
    'https://[::5efe:7f00:1]/',
    'https://[::]/',
    'https://[::7f00:1]/',
    'https://[::ffff:0:7f00:1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/',
    'https://[fe80::1]/',
    'https://[fd00:ec2::254]/',
    'https://[ff02::1]/',
    'https://①②⑦.⓪.⓪.①/',
    'https://127%2e0%2e0%2e1/',
    'https://0x7F.0.0.0x1/',
    'https://017700000001/',
    'https://0/',
    'https://169.254.169.254/latest/meta-data',
  ])('forbids the address in %s', (url) => {
    expect(readOutboundUrl(url, strict).fault?.code).toBe('forbidden_address');
  });

  it.each([
    ['', 'invalid_url'],
    ['hooks.acme.example', 'invalid_url'],
    ['/hook', 'invalid_url'],
    ['https://', 'invalid_url'],
    ['http://hooks.acme.example/', 'forbidden_scheme'],
    ['ftp://hooks.acme.example/', 'forbidden_scheme'],
    ['file:///etc/passwd', 'forbidden_scheme'],
    ['https://user:secret@hooks.acme.example/', 'has_userinfo'],
    ['https://user@hooks.acme.example/', 'has_userinfo'],
  ])('refuses %p as %s', (url, code) => {
    expect(readOutboundUrl(url, strict).fault?.code).toBe(code);
  });

  it('refuses ports that are not named, usual ones too, before anybody is asked for the name', () => {
    const some = new AddressRules(
      ['10.0.0.0/8'],
      [
        [443, 443],
        [8_000, 8_999],
      ],
    );
    const codes = [
      'https://a.example/',
      'https://a.example:8443/',
      'https://a.example:22/',
      'https://a.example:9000/',
      'http://10.1.1.1/',
      'http://10.1.1.1:8000/',
    ].map((url) => readOutboundUrl(url, some).fault?.code);
    expect(codes).toEqual([
      undefined,
      undefined,
      'forbidden_port',
      'forbidden_port',
      'forbidden_port',
      undefined,
    ]);
  });

  it('takes https at public addresses and names', () => {
    for (const url of ['https://8.8.8.8/', 'https://hooks.acme.example:8443/in?a=1']) {
      expect(readOutboundUrl(url, strict).fault).toBeNull();
    }
  });

  it('takes http at named networks only', () => {
    expect(readOutboundUrl('http://10.1.1.1/', lan).fault).toBeNull();
    expect(readOutboundUrl('http://8.8.8.8/', lan).fault?.code).toBe('forbidden_address');
    expect(readOutboundUrl('https://192.168.0.1/', lan).fault?.code).toBe('forbidden_address');
  });
});
