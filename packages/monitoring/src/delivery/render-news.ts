import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { Alert } from '../contract.ts';

/** What is sent: all that one check found or saw end, grouped. */
export const News = z.object({
  type: z.enum(['alerts', 'test']),
  project: z.string(),
  raised: z.array(Alert),
  resolved: z.array(Alert),
});
export type News = z.infer<typeof News>;

/** News as text for people: what, why, and what to type. */
export function renderNews(news: News): string {
  if (news.type === 'test') return 'Slipway can reach this channel.';
  const raised = news.raised.map((alert) =>
    [
      `[${alert.severity}] ${alert.release} (revision ${alert.revision}): ${alert.message}`,
      ...(alert.cause === null ? [] : [`  likely cause: ${alert.cause}`]),
      ...(alert.response === null ? [] : [`  ${alert.response.message}`]),
      `  look closer: ${alert.command}`,
      `  acknowledge: slipway alerts ack ${alert.id}`,
    ].join('\n'),
  );
  const resolved = news.resolved.map(
    (alert) =>
      `[resolved] ${alert.release}: ${alert.kind} of ${alert.about}${alert.response === null ? '' : ` (${alert.response.message})`}`,
  );
  return [...raised, ...resolved].join('\n');
}

export function subjectOf(news: News): string {
  if (news.type === 'test') return 'Slipway: a test';
  const [first] = [...news.raised, ...news.resolved];
  const count = news.raised.length;
  return count === 0
    ? `Slipway: resolved in ${first?.release ?? ''}`
    : `Slipway: ${count} ${count === 1 ? 'alert' : 'alerts'} in ${first?.release ?? ''}`;
}

/** What Slack-compatible receivers take. Its control characters are escaped, so that no value can make a mention or a link. */
export function slackBody(news: News): string {
  const text = renderNews(news).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return JSON.stringify({ text });
}

/**
 * Headers by which a receiver knows that a webhook is ours and fresh: HMAC-SHA-256 over `id.timestamp.body`.
 * Source: Standard Webhooks 1.0. @param secret `whsec_` and base64.
 */
export function signWebhook(secret: string, id: string, timeMs: number, body: string): Record<string, string> {
  const timestamp = String(Math.floor(timeMs / 1_000));
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
