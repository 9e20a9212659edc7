/** Answers every request with the same small refusal and does nothing else: what any reply takes on this machine right now. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const BODY = JSON.stringify({ error: { code: 'kernel/overloaded', message: 'x'.repeat(200) } });

const server = createServer((incoming, outgoing) => {
  incoming.resume();
  outgoing.writeHead(503, ['content-type', 'application/json', 'content-length', String(BODY.length)]);
  outgoing.end(BODY);
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
