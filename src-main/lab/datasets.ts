// Imported datasets and the runs that use them: looking at one, renaming it with its runs, deleting it.

import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { dataset } from '../contract/commands.ts';
import type { datasetCommands, DatasetDetail, DatasetUse } from '../contract/datasets.ts';
import { UserError } from '../contract/errors.ts';
import type { AppEvents } from '../contract/events.ts';
import type { Handlers } from '../contract/rpc.ts';
import { isActive, type RunSummary } from '../contract/run.ts';
import { datasetFolder, getDataset, listDatasets } from '../data/catalogue.ts';
import { storageError } from '../files/files.ts';
import { datasetPage } from '../data/gallery.ts';
import { datasetName, datasetsFolder } from '../data/manifest.ts';
import type { EventHub } from '../transport/events.ts';
import { RunFolder } from '../records/runFolder.ts';
import { RunRecord } from '../records/runRecord.ts';

export class Datasets {
  constructor(
    private readonly home: string,
    private readonly events: EventHub<AppEvents>,
    private readonly runs: () => Promise<RunSummary[]>,
    /** Told of runs that have changed on disk. */
    private readonly changed: (runId: string) => void,
  ) {}

  handlers(): Handlers<typeof datasetCommands> {
    return {
      getDataset: ({ name }) => this.detail(name),
      datasetPage: (request) => datasetPage(this.home, request),
      renameDataset: ({ name, to }) => this.rename(name, to),
      deleteDataset: ({ name }) => this.delete(name),
    };
  }

  private async detail(name: string): Promise<DatasetDetail> {
    const found = await getDataset(this.home, name);
    const samplesPerClass = found.kind === 'images' ? found.samplesPerClass : null;
    return { name, importedAt: found.importedAt, samplesPerClass, account: found.account, uses: await this.uses(name) };
  }

  private async rename(name: string, to: string): Promise<{ name: string }> {
    if (!datasetName.test(to))
      throw new UserError('data', `a name may contain letters, digits, "_", "-" and "."; got "${to}"`, { key: 'to' });
    const { datasets, damaged } = await listDatasets(this.home);
    if (datasets.some((one) => one.name === to) || damaged.some(({ key }) => key === to))
      throw new UserError('conflict', `there is a dataset "${to}" already; choose another name`, { key: 'to' });
    await getDataset(this.home, name);
    const uses = await this.idleUses(name);
    const records: RunRecord[] = [];
    try {
      for (const { runId } of uses) records.push(await RunRecord.open(new RunFolder(this.home, runId)));
      await this.change(name, (folder) => rename(folder, join(datasetsFolder(this.home), to)));
      for (const record of records) {
        await record.renameDataset(to);
        this.changed(record.folder.id);
      }
    } finally {
      await Promise.all(records.map((record) => record.close()));
    }
    this.events.emit('datasetRemoved', { name });
    this.events.emit('datasetImported', { dataset: dataset.parse(await getDataset(this.home, to)) });
    return { name: to };
  }

  private async delete(name: string): Promise<Record<string, never>> {
    await this.idleUses(name);
    await this.change(name, (folder) => rm(folder, { recursive: true }));
    this.events.emit('datasetRemoved', { name });
    return {};
  }

  private async change(name: string, work: (folder: string) => Promise<void>): Promise<void> {
    const folder = await datasetFolder(this.home, name);
    await work(folder).catch((error: unknown) => {
      throw storageError(error, folder);
    });
  }

  private async idleUses(name: string): Promise<DatasetUse[]> {
    const uses = await this.uses(name);
    const active = uses.find(({ state }) => isActive(state));
    if (active) throw new UserError('conflict', `run ${active.runId} uses dataset ${name}; stop it first`);
    return uses;
  }

  private async uses(name: string): Promise<DatasetUse[]> {
    const runs = await Promise.all(
      (await this.runs()).map(async (run) => ({ run, dataset: run.dataset || (await this.datasetOf(run.id)) })),
    );
    return runs
      .filter((one) => one.dataset === name)
      .map(({ run }) => ({ runId: run.id, name: run.name, state: run.state }));
  }

  /** Of a run whose state does not say it. */
  private async datasetOf(runId: string): Promise<string> {
    const config = await new RunFolder(this.home, runId).readConfig().catch(() => null);
    return config?.data.dataset ?? '';
  }
}
