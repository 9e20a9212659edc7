import { lookup as systemLookup } from 'node:dns';
import { BlockList, type LookupFunction, isIP } from 'node:net';
import { DestinationRefusedError } from '../errors.ts';

/** Networks that are not the public internet: ourselves, neighbours, clouds' metadata, and what routes nowhere. */
const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4');
}

/** Of IPv6 only global unicast is the public internet, less its tunnels to IPv4 and documentation. */
const GLOBAL_V6 = new BlockList();
GLOBAL_V6.addSubnet('2000::', 3, 'ipv6');
const TUNNELS_V6 = new BlockList();
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  TUNNELS_V6.addSubnet(network, prefix, 'ipv6');
}

/** Whether an address, as the system resolved it, belongs to the public internet. Compares addresses, never spellings. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !PRIVATE.check(address, 'ipv4');
  // Mapped addresses (::ffff:127.0.0.1) are not global unicast, so they are refused whatever they hold.
  return family === 6 && GLOBAL_V6.check(address, 'ipv6') && !TUNNELS_V6.check(address, 'ipv6');
}

/** Hosts (`host` or `host:port`) that may be reached although they are private; from the operator's settings only. */
export type AllowedHosts = ReadonlySet<string>;

interface Destination {
  readonly host: string;
  readonly port: number;
}

function isAllowed({ host, port }: Destination, allowed: AllowedHosts): boolean {
  return allowed.has(host) || allowed.has(`${host}:${port}`);
}

function refuse(destination: Destination): DestinationRefusedError {
  return new DestinationRefusedError(`"${destination.host}" does not lead to the public internet, and alerts may only be sent there.`, {
    details: { host: destination.host },
    help: 'The operator can allow it with SLIPWAY_OUTBOUND_ALLOW=host:port.',
  });
}

/** Refuses a host that is written as a private address; one that is a name is checked when it is resolved. @throws {DestinationRefusedError} */
export function checkHost(destination: Destination, allowed: AllowedHosts): void {
  const literal = destination.host.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0 && !isPublicAddress(literal) && !isAllowed(destination, allowed)) throw refuse(destination);
}

/**
 * A look-up for sockets that hands over only public addresses: what is checked is what is connected to, so that a name
 * cannot change its mind in between.
 */
export function guardedLookup(destination: Destination, allowed: AllowedHosts): LookupFunction {
  return (hostname, options, callback) => {
    systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 4);
      const kept = isAllowed(destination, allowed) ? addresses : addresses.filter(({ address }) => isPublicAddress(address));
      const [first] = kept;
      if (!first) return callback(refuse(destination), '', 4);
      if (options.all) (callback as unknown as (error: null, addresses: typeof kept) => void)(null, kept);
      else callback(null, first.address, first.family);
    });
  };
}
