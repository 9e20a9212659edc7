import { ConflictError, UnavailableError } from '@slipway/kernel';

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

/** Replicas on one database could not read what the other writes. */
export class ReplicaConflictError extends ConflictError {
  override readonly code = 'server/replica-conflict';
}

/** Another replica has been starting for too long. */
export class ReplicaStartError extends UnavailableError {
  override readonly code = 'server/replica-start';
  constructor(seconds: number) {
    super(`Another replica has been starting on this database for more than ${seconds} s.`, {
      help: 'See what it waits for, or end it; replicas start one after the other.',
    });
  }
}
