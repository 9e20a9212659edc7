import type { SecretBinding, SecretBox } from '@slipway/identity';
import { z } from 'zod';
import { ChannelTarget } from '../contract.ts';
import type { ChannelRow, PublicTarget } from './channel-store.ts';

/** What is sealed of a channel. The address belongs to it: a Slack address alone lets anybody post. */
const Content = z.object({ target: ChannelTarget, secret: z.string().nullable() });
export type ChannelContent = z.infer<typeof Content>;

/** What may be seen of a target. */
export function publicTarget(target: ChannelTarget): PublicTarget {
  if (target.kind === 'smtp') return { kind: target.kind, host: target.host, destination: `smtp://${target.host}:${target.port}` };
  const url = new URL(target.url);
  return { kind: target.kind, host: url.host, destination: url.origin };
}

/** Seals where a channel sends to and with what, bound to its project, id and destination. */
export async function sealChannel(
  box: SecretBox,
  { project, id }: { readonly project: string; readonly id: string },
  content: ChannelContent,
): Promise<Pick<ChannelRow, 'target' | 'sealed'>> {
  const target = publicTarget(content.target);
  return { target, sealed: await box.seal(JSON.stringify(content), bindingOf({ project, id, target })) };
}

/** @throws {SecretUnreadableError} */
export async function openChannel(box: SecretBox, row: Pick<ChannelRow, 'project' | 'id' | 'target' | 'sealed'>): Promise<ChannelContent> {
  const text = await box.open(row.sealed, bindingOf(row));
  return Content.parse(JSON.parse(text.reveal()));
}

function bindingOf({ project, id, target }: Pick<ChannelRow, 'project' | 'id' | 'target'>): SecretBinding {
  return { project, name: `monitoring.channel/${id}`, destination: target.destination };
}
