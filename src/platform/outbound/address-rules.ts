/*
 * Which addresses outgoing calls may reach. Pure. Callers choose the URLs, so without these rules
 * anybody with a key could make this process talk to its own network (server-side request forgery).
 */
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** `public`: on the internet; `allowed`: the operator named its network; `forbidden`: all else. */
export type AddressKind = 'public' | 'allowed' | 'forbidden';

/**
 * The only IPv6 block that is given out for the internet (IANA, IPv6 address space). Outside of it
 * lie forms that carry an IPv4 address inside, such as `::5efe:7f00:1`, which ipaddr.js takes for unicast.
 */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/** The first and the last port of a span. */
export type PortSpan = readonly [number, number];

export class AddressRules {
  private readonly allowed: readonly [Address, number][];

  /**
   * @param allowedCidrs networks that are not public but may be reached; checked by the configuration
   * @param ports first and last of the spans that may be called, wherever they are; none: all
   */
  constructor(
    allowedCidrs: readonly string[],
    private readonly ports: readonly PortSpan[] = [],
  ) {
    this.allowed = allowedCidrs.map((cidr) => ipaddr.parseCIDR(cidr));
  }

  /** Whether any plain http call could be permitted at all. */
  get allowsHttp(): boolean {
    return this.allowed.length > 0;
  }

  /**
   * What the address is; text that is no address is forbidden. An IPv4 address in IPv6 clothes
   * (`::ffff:127.0.0.1`) counts as the IPv4 address that the kernel would connect to.
   */
  kindOf(text: string): AddressKind {
    if (!ipaddr.isValid(text)) {
      return 'forbidden';
    }
    const address = ipaddr.process(text);
    if (this.allowed.some((network) => isIn(address, network))) {
      return 'allowed';
    }
    const isGlobal = address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
    return isGlobal && address.range() === 'unicast' ? 'public' : 'forbidden';
  }

  /** Whether a service that listens there may be called: what talks TLS by mistake is no receiver of webhooks. */
  permitsPort(port: number): boolean {
    return (
      this.ports.length === 0 || this.ports.some(([first, last]) => port >= first && port <= last)
    );
  }

  /** Whether a call may go there: encrypted to public addresses, any way to networks that were named. */
  permits(address: string, protocol: string): boolean {
    const kind = this.kindOf(address);
    return kind === 'allowed' || (kind === 'public' && protocol === 'https:');
  }
}

function isIn(address: Address, [network, bits]: [Address, number]): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}
