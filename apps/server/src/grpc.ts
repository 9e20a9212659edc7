import { type Identity, decide } from '@slipway/identity';
import { type GrpcListening, listenGrpc } from '@slipway/open-inference';
import type { House } from './compose.ts';
import { PortInUseError } from './errors.ts';
import { PermissionDeniedError, bearerKey, createRequestIds } from './http/index.ts';
import type { Log } from './log.ts';

interface GrpcParts {
  readonly house: House;
  readonly identity: Pick<Identity, 'authenticate' | 'authenticateCached'>;
  readonly log: Log;
}

/** Serves the Open Inference Protocol over gRPC, with the keys, permissions and words of the HTTP side. @throws {PortInUseError} */
export async function listenOnGrpc({ house, identity, log }: GrpcParts, where: { host: string; port: number }): Promise<GrpcListening> {
  const requests = house.telemetry.metrics.counter({
    name: 'slipway_grpc_requests_total',
    help: 'gRPC requests answered.',
    labels: ['method', 'code'],
  });
  try {
    return await listenGrpc(
      {
        service: house.openInference,
        async authorize(authorization, permission) {
          const key = bearerKey(authorization);
          const principal = identity.authenticateCached(key) ?? (await identity.authenticate(key));
          // A key acts in its own project; there is no other place here to name one.
          if (decide(principal, permission, principal.project) !== 'allow') throw new PermissionDeniedError(permission, principal);
          return { principal, project: principal.project };
        },
        requestId: createRequestIds(house.clock, house.ids),
        onProblem: (error, facts) => log({ level: 'error', message: 'A gRPC request failed.', fields: { ...facts, error } }),
        observe: (method, code) => requests({ method, code }).add(),
      },
      where,
    );
  } catch (error) {
    if (error instanceof Error && /EADDRINUSE/.test(error.message)) throw new PortInUseError(where.port, '--grpc-port');
    throw error;
  }
}
