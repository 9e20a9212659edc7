import type { Command } from 'commander';
import { withClient } from '../connect.ts';
import { globalOptions, parseNumber } from '../options.ts';
import { createOutput, printResult, table } from '../output.ts';
import { readRunTree, showRunTree } from '../run-tree.ts';
import { showHistory } from '../show-history.ts';
import { showRelease } from '../show-release.ts';

const LIST_LIMIT = { min: 1, max: 500, whole: true };

/** The commands that show what there is: runs, versions, releases. */
export function addLists(program: Command): void {
  addRuns(program);
  addVersions(program);
  addReleases(program);
}

function addRuns(program: Command): void {
  program
    .command('runs')
    .description('list runs, or show one with its progress and the runs below it')
    .argument('[run]', 'id of a run')
    .option('--limit <n>', 'how many', '20')
    .option('--cancel', 'cancel the run')
    .option('--retry', 'run a failed or cancelled run again from its last finished step')
    .action(async (run: string | undefined, flags: { limit: string; cancel?: boolean; retry?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        if (run === undefined) {
          const page = await client.runs.list({ limit: parseNumber('--limit', flags.limit, LIST_LIMIT) });
          printResult(output, page, () =>
            table(
              page.items.map((each) => [each.id, each.workflow, each.status, each.title, each.createdAt]),
              ['run', 'workflow', 'status', 'title', 'created'],
            ),
          );
          return;
        }
        if (flags.cancel) await client.runs.cancel(run);
        if (flags.retry) await client.runs.retry(run);
        const [found, events] = [await client.runs.get(run), await client.runs.events(run)];
        const tree = await readRunTree(client, found);
        printResult(output, { ...found, events: events.items, below: tree.below }, () =>
          [
            ...showRunTree(tree),
            found.parent === null ? '' : `part of ${found.parent}`,
            found.error ? `error[${found.error.code}]: ${found.error.message}` : '',
            table(events.items.map((event) => [event.at, event.phase, event.message])),
          ]
            .filter((part) => part !== '')
            .join('\n'),
        );
      });
    });
}

function addVersions(program: Command): void {
  program
    .command('versions')
    .description('list versions of everything, or show one with its lineage')
    .argument('[version]', 'id of a version')
    .option('--kind <kind>', 'dataset, model, report, …')
    .option('--name <name>', 'only versions of this name')
    .option('--limit <n>', 'how many', '20')
    .action(async (id: string | undefined, flags: { kind?: string; name?: string; limit: string }, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        if (id !== undefined) {
          const version = await client.versions.get(id);
          const lineage = await client.versions.lineage(id, 'up');
          printResult(output, { ...version, lineage }, () =>
            [
              `${version.id}  ${version.kind} ${version.name} #${version.number}`,
              `recipe  ${version.recipe}`,
              `content ${version.content}`,
              ...lineage.edges.map((edge) => `from ${edge.parent} (${edge.role})`),
            ].join('\n'),
          );
          return;
        }
        const page = await client.versions.list({
          kind: flags.kind,
          name: flags.name,
          limit: parseNumber('--limit', flags.limit, LIST_LIMIT),
        });
        printResult(output, page, () =>
          table(
            page.items.map((each) => [each.id, each.kind, each.name, each.number, each.createdAt]),
            ['version', 'kind', 'name', '#', 'created'],
          ),
        );
      });
    });
}

function addReleases(program: Command): void {
  program
    .command('releases')
    .description('list releases, or show one with its revisions; `slipway releases history NAME` tells what happened')
    .argument('[name]', 'name of a release, or `history`')
    .argument('[of]', 'with `history`: the release')
    .action(async (name: string | undefined, of: string | undefined, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const output = createOutput(options.json);
      await withClient(options, output, async (client) => {
        if (name === undefined) {
          const page = await client.releases.list({});
          printResult(output, page, () =>
            table(
              page.items.map((each) => [
                each.name,
                each.environment,
                each.traffic.map((arm) => `r${arm.revision} ${Math.round(arm.weight * 100)} %`).join(' '),
                each.updatedAt,
              ]),
              ['release', 'environment', 'traffic', 'updated'],
            ),
          );
        } else if (name === 'history' && of !== undefined) {
          const history = await client.releases.history(of);
          printResult(output, history, () => showHistory(history));
        } else {
          const release = await client.releases.get(name);
          printResult(output, release, () => showRelease(release));
        }
      });
    });
}
