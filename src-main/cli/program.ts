// The commands of `sdp`, with their arguments; each handler is a few lines over the app.

import { Command, InvalidArgumentError, Option } from 'commander';
import { formatBytes } from '../contract/bytes.ts';
import { purpose, type Purpose } from '../contract/doctor.ts';
import type { AppCommands } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import type { AppEvents } from '../contract/events.ts';
import { exportFormat, weightType, type ExportChoices, type ExportFormat } from '../contract/exportFormat.ts';
import { faultOf } from '../contract/fault.ts';
import { isActive } from '../contract/run.ts';
import { deviceConfig, type DeviceEntry } from '../contract/runConfig.ts';
import { visibleLines } from '../contract/visible.ts';
import { listDevices } from '../device/discover.ts';
import { appVersion } from '../contract/version.ts';
import { connectControl } from '../host/control.ts';
import type { ResumeOptions, StartOptions } from '../lab/app.ts';
import { diagnoseHome } from '../lab/doctor.ts';
import { listRuns } from '../records/runList.ts';
import type { Client } from '../transport/client.ts';
import { addDataCommands } from './data.ts';
import { readConfigFile } from './configFile.ts';
import { followRun } from './follow.ts';
import { runDemo } from './demo.ts';
import { sdpHome } from '../lab/home.ts';
import { openApp, spawnChildDevice } from './home.ts';
import {
  metricOf,
  printDiagnosis,
  printEnd,
  printJson,
  printLedger,
  printLine,
  printNote,
  printTable,
} from './output.ts';
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

const forceOption = () => new Option('--force', 'train even if the predicted memory exceeds the limit of a device');

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
  for (const command of program.commands) {
    command.exitOverride();
    takeOnce(command);
  }
  return program;
}

/** Refuses an option that takes one value and is given twice: the last would count without a word. */
function takeOnce(command: Command): void {
  for (const option of command.options.filter((option) => !option.isBoolean() && option.parseArg !== collect)) {
    let isGiven = false;
    command.on(`option:${option.name()}`, () => {
      if (isGiven) command.error(`error: option '${option.flags}' is given twice; it takes one value`);
      isGiven = true;
    });
  }
  command.commands.forEach(takeOnce);
}

const jsonOption = () => new Option('--json', 'print JSON');
const setOption = () =>
  new Option('--set <key=value>', 'override a key of the configuration; may be repeated')
    .argParser(collect)
    .default([] as string[], 'none');

function addDeviceCommand(program: Command): void {
  const devices = program
    .command('devices')
    .description('list the devices of this machine with memory and execution provider')
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
      printLine('You can also name cpu:1, webgpu:1, ...; they share the same cores or adapter.');
    });
  devices
    .command('add')
    .description('take a device into the run that is active, at its next step')
    .argument('<device>', 'device, such as cuda:1 or cpu:2')
    .option('--threads <count>', 'threads of a CPU device; default: as many as others have', integer(1))
    .option('--memory <size>', 'memory that it may use, such as 2GiB')
    .action(async (id: string, limits: Omit<DeviceEntry, 'id'>) => {
      const device = deviceConfig.safeParse({ id, ...limits }, { reportInput: true });
      if (!device.success) throw new UserError('usage', `device: ${faultOf(device.error)}`);
      await changeDevices(devices.opts<Json>(), (call, runId) => call.addDevice({ runId, device: device.data }));
    });
  devices
    .command('remove')
    .description('let a device go from the run that is active, at its next step; others take over its workers')
    .argument('<device>', 'device of the run')
    .action(async (id: string) => {
      await changeDevices(devices.opts<Json>(), (call, runId) => call.removeDevice({ runId, device: id }));
    });
}

/** Asks the process of the active run, and says who runs what then. */
async function changeDevices({ json }: Json, change: DeviceChanger): Promise<void> {
  const home = await sdpHome();
  const client = await connectControl(home);
  try {
    const run = (await listRuns(home)).runs.find(({ state }) => isActive(state));
    if (!run) throw new UserError('conflict', `no run is active in ${home}`);
    await change(client.call, run.id);
    const { plan, summary } = await client.call.getRun({ runId: run.id });
    const devices = plan!.devices.map(({ id, workers, threads }) => ({ device: id, threads, workers }));
    if (json) return printJson({ run: run.id, step: summary.step, devices });
    printLine(`run ${run.id} goes on from step ${summary.step}:`);
    printTable([
      ['DEVICE', 'THREADS', 'WORKERS'],
      ...devices.map((d) => [d.device, String(d.threads), d.workers.join(', ')]),
    ]);
  } finally {
    client.close();
  }
}

type DeviceChanger = (call: Client<AppCommands, AppEvents>['call'], runId: string) => Promise<unknown>;

function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check this machine: what training needs, what is missing and how to get it')
    .addOption(
      new Option('--for <kind>', 'kind of device to check for; default: the kinds that this machine has').choices(
        purpose.options,
      ),
    )
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
    .description('show masks, cost and predicted memory of each device; train nothing')
    .argument('<config>', 'configuration, a YAML file')
    .addOption(setOption())
    .addOption(jsonOption())
    .action(async (path: string, { set, json }: Json & { set: string[] }) => {
      const plan = await (await openApp()).plan(await readConfigFile(path, set));
      if (json) printJson(plan);
      else printPlan(plan);
    });
  program
    .command('train')
    .description('train; show progress on a terminal, or print JSON lines with --json')
    .argument('<config>', 'configuration, a YAML file')
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
    .description('continue a run from its newest intact checkpoint, or from the start if it has none')
    .argument('<run>', 'ID of the run')
    .option('--checkpoint <step>', 'continue from the checkpoint of this step; 0: from the start', integer(0))
    .addOption(forceOption())
    .option('--accept-changes', 'continue although the configuration was changed in a way that changes results')
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
    .description('list the runs of the data folder')
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
    .description('evaluate the full network on the validation data')
    .argument('<run>', 'ID of the run')
    .option('--checkpoint <step>', 'step of the checkpoint; default: the newest checkpoint', integer(0))
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
    .command('ledger')
    .description('tell which samples the steps of a run were trained on, and check that none was skipped or read twice')
    .argument('<run>', 'ID of the run')
    .addOption(jsonOption())
    .action(async (runId: string, { json }: Json) => {
      const ledger = await (await openApp()).ledger(runId);
      if (json) printJson(ledger);
      else printLedger(ledger);
      if (ledger.wrong.length > 0) process.exitCode = 1;
    });
  program
    .command('export')
    .description('export a checkpoint and compare the file with the engine')
    .argument('<run>', 'ID of the run')
    .addOption(
      new Option('--format <format>', 'format; timm and huggingface: of images, gguf: of language')
        .choices(exportFormat.options)
        .makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'folder for model.safetensors, model.onnx or model.gguf')
    .addOption(
      new Option(
        '--type <type>',
        'what weights are stored as; onnx: float32, float16 or int8, gguf: float32, float16 or q8_0; default: float32',
      ).choices(weightType.options),
    )
    .option('--checkpoint <step>', 'step of the checkpoint; default: the newest checkpoint', integer(0))
    .option('--with-past', 'ONNX of a language model with a cache of keys and values, as Hugging Face Optimum names it')
    .option('--with-preprocessing', 'ONNX of a model of images that takes pixels, uint8 [batch,height,width,channels]')
    .option('--license <name>', 'licence of the weights, for the metadata')
    .addOption(jsonOption())
    .action(
      async (
        runId: string,
        { format, checkpoint, json, ...choices }: Json & ExportChoices & { format: ExportFormat; checkpoint?: number },
      ) => {
        const result = await (await openApp()).export(runId, format, { ...choices, step: checkpoint });
        if (json) return printJson(result);
        if (result.warning) printNote(`warning: ${result.warning}`);
        printLine(
          `${result.files.join(', ')}: agrees with the engine on ${result.check.samples} samples (relative error ${result.check.maxRelativeError.toExponential(1)})`,
        );
      },
    );
  program
    .command('replay')
    .description('replay reference cases in the engine and print the largest relative error of each')
    .argument('<case...>', 'folder of a case')
    .requiredOption('--out <folder>', 'folder for the results; with several cases, each gets a folder of its own')
    .option('--devices <count>', 'number of device processes', integer(1), 1)
    .addOption(
      new Option('--device-kind <kind>', 'kind of the devices').choices(['cpu', 'webgpu', 'cuda']).default('cpu'),
    )
    .addOption(jsonOption())
    .action((folders: string[], flags: ReplayFlags) => replayCases(folders, flags));
}

function addHostCommands(program: Command): void {
  program
    .command('serve')
    .description('serve the app as a page on loopback')
    .option('--port <port>', 'port to listen on; 0: a free one', integer(0), 0)
    .option(
      '--root <folder>',
      'refuse paths outside this folder; without it the page can read every file that you can read',
    )
    .option('--demo', 'start the sample run')
    .addOption(jsonOption())
    .action(serveApp);
  program
    .command('demo')
    .description('train the sample run in the terminal and export it')
    .addOption(setOption())
    .addOption(jsonOption())
    .action(({ set, json = false }: Json & { set: string[] }) => runDemo(set, json));
}
