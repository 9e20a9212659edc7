import { ID_PREFIXES, type Clock, type Ids } from '@slipway/kernel';

const SAFE = /^[A-Za-z0-9._:-]{1,128}$/;
const COUNTER_LIMIT = 0x10000000000;

/**
 * Request ids of the form `req_uuidv7`, made without asking for randomness each time: the time, a random tail of this
 * process, and a counter. A caller's own id is kept when it is harmless in logs and headers.
 */
export function createRequestIds(clock: Clock, ids: Ids): (given: string | undefined) => string {
  const seed = ids.next('request').slice(ID_PREFIXES.request.length + 1);
  // `xxxxxxxx-xxxx-7rrr-vrss-cccccccccc`: the seed's 7rrr-vrss stay, the counter begins at its last digits.
  const middle = seed.slice(14, 26);
  let counter = Number.parseInt(seed.slice(26), 16);
  let lastMs = -1;
  let time = '';
  return (given) => {
    if (given !== undefined && SAFE.test(given)) return given;
    const now = clock.nowMs();
    if (now !== lastMs) {
      lastMs = now;
      const hex = now.toString(16).padStart(12, '0');
      time = `req_${hex.slice(0, 8)}-${hex.slice(8)}-`;
    }
    counter = (counter + 1) % COUNTER_LIMIT;
    return time + middle + counter.toString(16).padStart(10, '0');
  };
}
