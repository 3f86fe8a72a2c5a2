/*
 * How sockets to the outside are opened: an address is checked where it is a literal, in the very
 * look-up that the socket uses (so that a name cannot change between check and use), and once more
 * on the connected socket. Without the first check, literals would pass: no look-up is made for them.
 */
import { type LookupAddress, type LookupAllOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { type AddressRules } from './address-rules.js';
import { BlockedAddressError } from './outbound-fault.js';

/** node:dns's `lookup` for all addresses of a name; tests give names of their own. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** What is trusted besides the usual, and what is shown to who asks. */
export interface Tls {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

/** Longest wait for a socket; the caller's deadline is usually shorter. */
const CONNECT_TIMEOUT_MS = 30_000;

/**
 * A look-up for sockets that fails with BlockedAddressError unless all addresses of the name may be
 * reached: one forbidden address among good ones is how a name is rebound.
 */
function vettedLookup(rules: AddressRules, protocol: string, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    const family = options.family === 4 || options.family === 6 ? options.family : 0;
    resolve(hostname, { all: true, family }, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) {
        callback(error ?? noAddress(hostname), '');
        return;
      }
      const forbidden = addresses.find(({ address }) => !rules.permits(address, protocol));
      if (forbidden !== undefined) {
        callback(new BlockedAddressError(forbidden.address), '');
      } else if (options.all === true) {
        callback(null, addresses);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

function noAddress(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' });
}

/**
 * Look-ups of the same name under way are made once, and everybody gets the answer. node:dns's `lookup`
 * holds one of the four threads that also read files: without this, one endpoint whose name server does
 * not answer would take them all, and no other endpoint's name would be found. For several such see patientResolve.
 */
export function sharedResolve(resolve: Resolve): Resolve {
  const waiting = new Map<string, Parameters<Resolve>[2][]>();
  return (hostname, options, callback) => {
    const key = `${hostname} ${options.family ?? 0}`;
    const others = waiting.get(key);
    if (others !== undefined) {
      others.push(callback);
      return;
    }
    const callbacks = [callback];
    waiting.set(key, callbacks);
    resolve(hostname, options, (error, addresses) => {
      waiting.delete(key);
      for (const each of callbacks) {
        each(error, addresses);
      }
    });
  };
}

/** The connector of undici for one protocol, with a look-up that vets. */
export function vettedConnector(
  rules: AddressRules,
  protocol: string,
  resolve: Resolve,
  tls: Tls,
): buildConnector.connector {
  return buildConnector({
    ...tls,
    lookup: vettedLookup(rules, protocol, resolve),
    timeout: CONNECT_TIMEOUT_MS,
  });
}

/** Puts the checks of the literal host and of the connected socket around a connector. */
export function guardedConnector(
  rules: AddressRules,
  connect: buildConnector.connector,
): buildConnector.connector {
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !rules.permits(host, options.protocol)) {
      callback(new BlockedAddressError(host), null);
      return;
    }
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      const remote = socket.remoteAddress ?? 'unknown';
      if (rules.permits(remote, options.protocol)) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(new BlockedAddressError(remote), null);
      }
    });
  };
}
