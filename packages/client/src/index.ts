export { createClient, type Client, type FollowedEvent } from './client.ts';
export { ConnectionError, RunFailedError, ServerError } from './errors.ts';
export { readEvents, type CallOptions, type ClientOptions, type ServerEvent, type Transport } from './transport.ts';
