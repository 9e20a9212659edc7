import { openHome } from '../home.ts';

/** Holds a home until it is killed; a test's second process. */
const home = await openHome(process.argv[2] ?? '');
await home.announce('http://127.0.0.1:1');
process.stdout.write('held\n');
setInterval(() => {}, 60_000);
