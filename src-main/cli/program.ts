// The commands of `sdp`, with their arguments; each handler is a few lines over the app.

import { Command, InvalidArgumentError, Option } from 'commander';
import { formatBytes } from '../contract/bytes.ts';
import { purpose, type Purpose } from '../contract/doctor.ts';
import { UserError } from '../contract/errors.ts';
import { exportFormat, type ExportFormat } from '../contract/run.ts';
import { visibleLines } from '../contract/visible.ts';
import { listDevices } from '../device/discover.ts';
import { appVersion, type ResumeOptions, type StartOptions } from '../lab/app.ts';
import { diagnoseHome } from '../lab/doctor.ts';
import { listRuns } from '../records/runList.ts';
import { addDataCommands } from './data.ts';
import { readConfigFile } from './configFile.ts';
import { followRun } from './follow.ts';
import { runDemo } from './demo.ts';
import { sdpHome } from '../lab/home.ts';
import { openApp, spawnChildDevice } from './home.ts';
import { metricOf, printDiagnosis, printEnd, printJson, printLine, printNote, printTable } from './output.ts';
import { printPlan } from './printPlan.ts';
import { replayCases, type ReplayFlags } from './replay.ts';
import { serveApp } from './serve.ts';

interface Json {
  json?: boolean;
}

const integer = (least: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new InvalidArgumentError(`must be an integer from ${least}.`);
  return value;
};

const forceOption = () => new Option('--force', 'train even where a device has no room for what is predicted');

const collect = (value: string, values: string[]) => [...values, value];

export function buildProgram(): Command {
  const program = new Command('sdp')
    .description('Trains neural networks with Subnetwork Data Parallelism.')
    .version(appVersion)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${visibleLines(text.trimEnd())}\n`) })
    .configureHelp({ showGlobalOptions: true });
  addDeviceCommand(program);
  addDoctorCommand(program);
  addDataCommands(program);
  addRunCommands(program);
  addHostCommands(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}

const jsonOption = () => new Option('--json', 'print JSON');
const setOption = () =>
  new Option('--set <key=value>', 'override a key').argParser(collect).default([] as string[], 'none');

function addDeviceCommand(program: Command): void {
  program
    .command('devices')
    .description('list devices with memory and execution provider')
    .addOption(jsonOption())
    .action(async ({ json }: Json) => {
      const { devices, missing } = await listDevices(spawnChildDevice());
      if (json) return printJson({ devices, missing });
      printTable([
        ['DEVICE', 'PROVIDER', 'MEMORY', 'CORES', 'NAME'],
        ...devices.map((d) => [
          d.id,
          d.executionProvider,
          d.memoryBytes === null ? 'not known' : formatBytes(d.memoryBytes),
          String(d.cores ?? ''),
          d.name,
        ]),
      ]);
      for (const { kind, reason } of missing) printLine(`${kind}: ${reason}`);
      printLine('cpu:1, cpu:2, ... and webgpu:1, ... may be named as well: they share the cores, or the adapter.');
    });
}

function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('what this machine has and lacks for training, with remedies')
    .addOption(new Option('--for <kind>', 'what it is asked for; default: what is here').choices(purpose.options))
    .addOption(jsonOption())
    .action(async ({ for: kind, json }: Json & { for?: Purpose }) => {
      const home = await sdpHome().catch((error: unknown) => {
        if (error instanceof UserError) return error;
        throw error;
      });
      const diagnosis = await diagnoseHome(home, kind);
      if (json) printJson(diagnosis);
      else printDiagnosis(diagnosis);
      if (diagnosis.findings.some(({ state }) => state === 'missing')) process.exitCode = 1;
    });
}

function addRunCommands(program: Command): void {
  program
    .command('plan')
    .description('masks and predicted memory per device; runs nothing')
    .argument('<config>', 'YAML file')
    .addOption(setOption())
    .addOption(jsonOption())
    .action(async (path: string, { set, json }: Json & { set: string[] }) => {
      const plan = await (await openApp()).plan(await readConfigFile(path, set));
      if (json) printJson(plan);
      else printPlan(plan);
    });
  program
    .command('train')
    .description('train: progress on a terminal, JSON lines with --json')
    .argument('<config>', 'YAML file')
    .addOption(setOption())
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(async (path: string, { set, force, json = false }: Json & StartOptions & { set: string[] }) => {
      const config = await readConfigFile(path, set);
      const app = await openApp();
      printEnd(await followRun(app, json, (signal) => app.start(config, { force, signal })), json);
    });
  program
    .command('resume')
    .description('continue a run from its newest whole checkpoint, or from the start where it has none')
    .argument('<run>')
    .option('--checkpoint <step>', 'go back to the checkpoint of this step; 0: to the start', integer(0))
    .addOption(forceOption())
    .option('--accept-changes', 'go on with a configuration that was changed in ways that change results')
    .addOption(jsonOption())
    .action(async (runId: string, { json = false, ...options }: Json & ResumeOptions) => {
      const app = await openApp();
      printEnd(
        await followRun(app, json, async (signal) => (await app.resume(runId, { ...options, signal })).id),
        json,
      );
    });
  program
    .command('runs')
    .description('list runs')
    .addOption(jsonOption())
    .action(async ({ json }: Json) => {
      const { runs, damaged } = await listRuns(await sdpHome());
      for (const error of damaged) printNote(`sdp: ${error.message}`);
      if (json) return printJson({ runs });
      if (runs.length === 0) return printLine('There are no runs yet; start one with "sdp train CONFIG".');
      printTable([
        ['RUN', 'STATE', 'STEP', 'METRIC', 'NAME'],
        ...runs.map((r) => [r.id, r.state, `${r.step}/${r.steps}`, metricOf(r) ?? '', r.name]),
      ]);
    });
  program
    .command('evaluate')
    .description('metrics of the full network')
    .argument('<run>')
    .option('--checkpoint <step>', 'step of the checkpoint; default: the newest', integer(0))
    .addOption(jsonOption())
    .action(async (runId: string, { checkpoint, json }: Json & { checkpoint?: number }) => {
      const record = await (await openApp()).evaluate(runId, checkpoint);
      if (json) return printJson(record);
      if (record.warning) printNote(`warning: ${record.warning}`);
      printLine(
        `step ${record.step}: ${metricOf(record)}, loss ${record.loss?.toFixed(4) ?? 'not finite'} on ${record.samples} samples`,
      );
    });
  program
    .command('export')
    .description('export a checkpoint for PyTorch or ONNX, checked against the engine')
    .argument('<run>')
    .addOption(new Option('--format <format>').choices(exportFormat.options).makeOptionMandatory())
    .requiredOption('--out <folder>', 'where model.safetensors or model.onnx goes')
    .option('--checkpoint <step>', 'step of the checkpoint; default: the newest', integer(0))
    .addOption(jsonOption())
    .action(
      async (
        runId: string,
        { format, out, checkpoint, json }: Json & { format: ExportFormat; out: string; checkpoint?: number },
      ) => {
        const result = await (await openApp()).export(runId, format, { out, step: checkpoint });
        if (json) return printJson(result);
        if (result.warning) printNote(`warning: ${result.warning}`);
        printLine(
          `${result.files.join(', ')}: agrees with the engine on ${result.check.samples} samples (relative error ${result.check.maxRelativeError.toExponential(1)})`,
        );
      },
    );
  program
    .command('replay')
    .description('replay reference cases through the engine; prints the largest relative error of each')
    .argument('<case...>', 'folders of cases')
    .requiredOption('--out <folder>', 'where the results go; of several cases, to a folder each')
    .option('--devices <count>', 'device processes', integer(1), 1)
    .addOption(new Option('--device-kind <kind>').choices(['cpu', 'webgpu', 'cuda']).default('cpu'))
    .addOption(jsonOption())
    .action((folders: string[], flags: ReplayFlags) => replayCases(folders, flags));
}

function addHostCommands(program: Command): void {
  program
    .command('serve')
    .description('the app as a page on loopback')
    .option('--port <port>', 'port; default: a free one', integer(0), 0)
    .option(
      '--root <folder>',
      'folder that the files which a page names must lie in; without it the page may read every file that you may',
    )
    .option('--demo', 'start the sample run')
    .addOption(jsonOption())
    .action(serveApp);
  program
    .command('demo')
    .description('the sample run in the terminal, to an exported checkpoint')
    .addOption(setOption())
    .addOption(jsonOption())
    .action(({ set, json = false }: Json & { set: string[] }) => runDemo(set, json));
}
