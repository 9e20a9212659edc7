import { RawReply, toRfc3339 } from '@slipway/kernel';
import type { RunEventReply, RunReply } from './contract.ts';
import type { Run, RunEvent, RunUpdate } from './run.ts';

/** A comment this often keeps proxies from closing a quiet stream. */
const KEEP_ALIVE_MS = 15_000;

export function runReply(run: Run): RunReply {
  const { project: _project, queue: _queue, principal, createdAtMs, startedAtMs, endedAtMs, ...rest } = run;
  return {
    ...rest,
    error: run.error === null ? null : { ...run.error, details: { ...run.error.details } },
    principal: { id: principal.id, label: principal.label },
    createdAt: toRfc3339(createdAtMs),
    startedAt: startedAtMs === null ? null : toRfc3339(startedAtMs),
    endedAt: endedAtMs === null ? null : toRfc3339(endedAtMs),
  };
}

export function eventReply(event: RunEvent): RunEventReply {
  const { run: _run, atMs, ...rest } = event;
  return { ...rest, at: toRfc3339(atMs) };
}

function frame(update: RunUpdate): string {
  if (update.type === 'event') return `id: ${update.event.seq}\nevent: progress\ndata: ${JSON.stringify(eventReply(update.event))}\n\n`;
  return `event: run\ndata: ${JSON.stringify(runReply(update.run))}\n\n`;
}

/** Server-sent events of a run. The reader's pace decides: nothing is read ahead of what it takes. */
export function runStream(updates: AsyncGenerator<RunUpdate>, stop: AbortController): RawReply {
  const text = new TextEncoder();
  let keepAlive: NodeJS.Timeout | undefined;
  const end = () => {
    clearInterval(keepAlive);
    stop.abort();
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(text.encode('retry: 1000\n\n'));
      keepAlive = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(text.encode(': alive\n\n'));
      }, KEEP_ALIVE_MS).unref();
    },
    async pull(controller) {
      try {
        const next = await updates.next();
        if (!next.done) return controller.enqueue(text.encode(frame(next.value)));
        end();
        controller.close();
      } catch (error) {
        end();
        controller.error(error);
      }
    },
    async cancel() {
      end();
      await updates.return(undefined);
    },
  });
  return new RawReply(body, {
    contentType: 'text/event-stream; charset=utf-8',
    headers: { 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  });
}
