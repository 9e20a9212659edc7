import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { DestinationRefusedError } from '../errors.ts';
import { DELIVERY_TIMEOUT_MS } from '../limits.ts';
import { type AllowedHosts, checkHost, guardedLookup } from './guard-address.ts';

/** The reply of a receiver: only its status counts. */
export interface PostReply {
  readonly status: number;
}

/** Checks an address before it is kept. @throws {DestinationRefusedError} */
export function checkUrl(text: string, allowed: AllowedHosts): URL {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    throw new DestinationRefusedError('An address with a user name and password in it is not accepted.', {
      details: { host: url.hostname },
    });
  }
  checkHost(destinationOf(url), allowed);
  return url;
}

function destinationOf(url: URL): { host: string; port: number } {
  return { host: url.hostname, port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) };
}

/**
 * Posts JSON to an address outside. Redirects are not followed, the reply's body is not read, private addresses are refused
 * at the moment of connecting. @throws {DestinationRefusedError} or what the network says.
 */
export function postJson(
  text: string,
  body: string,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly allowed: AllowedHosts; readonly timeoutMs?: number },
): Promise<PostReply> {
  const url = checkUrl(text, options.allowed);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(
      url,
      {
        method: 'POST',
        agent: false,
        lookup: guardedLookup(destinationOf(url), options.allowed),
        signal: AbortSignal.timeout(options.timeoutMs ?? DELIVERY_TIMEOUT_MS),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'slipway-alerts',
          ...options.headers,
        },
      },
      (response) => {
        resolve({ status: response.statusCode ?? 0 });
        response.destroy();
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
