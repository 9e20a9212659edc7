import type { Audit } from '@slipway/audit';
import { type GateDefinition, hashGates } from '@slipway/evaluation';
import type { Json, WorkflowContext } from '@slipway/kernel';
import type { Records } from '@slipway/records';
import { doneOnce } from '@slipway/workflows';

/** Records by which gates a model will be judged, before anything is measured. @returns their hash */
export async function fixGates(
  { records, audit }: { readonly records: Records; readonly audit: Audit },
  { project, principal, run }: WorkflowContext,
  { model, gates }: { readonly model: string; readonly gates: readonly GateDefinition[] },
): Promise<string> {
  const hash = hashGates(gates);
  const data = { model, gates: gates as unknown as Json, hash };
  const subject = { kind: 'run', id: run };
  return records.transaction((tx) =>
    doneOnce(tx, run, 'gates fixed', async () => {
      await audit.append(tx, project, { type: 'evaluation.gates.fixed', principal: principal.id, subject, data });
      return hash;
    }),
  );
}
