import { HostRefusedError } from './errors.ts';

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'] as const;

/**
 * Which Host and Origin headers are answered. A page of another site can make a browser send requests to a loopback
 * port (DNS rebinding), but its Host header then carries that site's name.
 */
export class HostPolicy {
  readonly #exact = new Set<string>();
  readonly #anyPort = new Set<string>(LOOPBACK);
  #everything = false;

  /**
   * @param allowed names such as `slipway.example.org` (any port) or `slipway.example.org:8443` (that one); `*`
   * switches the check off, for servers behind a proxy that does it.
   */
  constructor(allowed: readonly string[]) {
    for (const entry of allowed) this.#add(entry.toLowerCase());
  }

  /** From now on the loopback names count only with this port. */
  listening(port: number): void {
    for (const name of LOOPBACK) {
      this.#anyPort.delete(name);
      this.#exact.add(`${name}:${port}`);
      if (port === 80) this.#exact.add(name);
    }
  }

  /** @throws {HostRefusedError} */
  check(host: string | undefined, origin: string | undefined): void {
    if (this.#everything) return;
    if (host === undefined || !this.#allows(host)) throw new HostRefusedError('Host', host ?? '');
    if (origin === undefined) return;
    const place = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
    if (place === undefined || !this.#allows(place)) throw new HostRefusedError('Origin', origin);
  }

  #add(entry: string): void {
    if (entry === '*') this.#everything = true;
    else if (/:\d+$/.test(entry)) this.#exact.add(entry);
    else this.#anyPort.add(entry);
  }

  #allows(host: string): boolean {
    if (this.#exact.has(host)) return true;
    const name = host.toLowerCase();
    return this.#exact.has(name) || this.#anyPort.has(name.replace(/:\d+$/, ''));
  }
}
