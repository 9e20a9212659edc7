import { ConflictError } from '@slipway/kernel';

/** Somebody listens on the port already. */
export class PortInUseError extends ConflictError {
  override readonly code = 'server/port-in-use';
  constructor(port: number, flag: '--port' | '--grpc-port' = '--port') {
    super(`Port ${port} on 127.0.0.1 is in use.`, { details: { port }, help: `Choose another with ${flag}, or 0 for a free one.` });
  }
}

/** A restore would overwrite what the home holds. */
export class HomeNotEmptyError extends ConflictError {
  override readonly code = 'server/home-not-empty';
  constructor(home: string) {
    super(`${home} holds data already.`, { details: { home }, help: 'Choose an empty folder with --home, or replace it with --force.' });
  }
}
