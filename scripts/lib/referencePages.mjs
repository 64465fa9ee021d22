// The pages of docs/reference as Markdown. Every name, limit, default and meaning comes from a parser or a schema; a key without a meaning is refused.

import { z } from 'zod';

const note = (what) => `<!-- Written by scripts/reference.mjs from ${what}. Edit the source, then run the script. -->`;
const code = (text) => `\`${text}\``;
/** As a sentence; a value that stands first keeps its spelling. */
const sentence = (text) => `${/^\w+(, \w+)?: /.test(text) ? text : text[0].toUpperCase() + text.slice(1)}.`;
const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('<', '&lt;');
const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
const page = (...parts) => `${parts.flat().join('\n\n')}\n`;

/** `program`: commander's. Commands in the order of the help. */
export function commandLine(program) {
  return page(
    note('src-main/cli'),
    '# Command line',
    `${program.description()} From a checkout, put ${code('npm run -s sdp --')} in the place of ${code('sdp')}.`,
    'Exit code 0: the command is done. 1: it failed. 2: its usage or the configuration is wrong.',
    program.commands.flatMap((one) => [one, ...one.commands].flatMap((each) => command(each, program.commands))),
  );
}

/** A command whose options another one also has names that command in place of a second table. */
function command(of, all) {
  const isPart = of.parent.parent !== null;
  const name = isPart ? `${of.parent.name()} ${of.name()}` : of.name();
  const parts = [
    `${isPart ? '###' : '##'} ${name}`,
    sentence(of.description()),
    `\`\`\`\nsdp ${name} ${of.usage()}\n\`\`\``,
  ];
  const flags = of.options.map((one) => one.flags);
  const wider = all.find(
    ({ options }) => options.length > flags.length && flags.every((flag) => options.some((one) => one.flags === flag)),
  );
  const own = flags.length > 5 && wider ? [] : of.options;
  const rows = [
    ...of.registeredArguments.map((one) => [code(one.name()), cell(sentence(one.description))]),
    ...own.map((one) => [code(one.flags), option(one)]),
  ];
  const also = own === of.options ? [] : [`It takes the options of [${wider.name()}](#${wider.name()}).`];
  return [...parts, table(['Argument or option', 'Meaning'], rows), ...also];
}

function option({ flags, description, argChoices, defaultValue, defaultValueDescription, mandatory }) {
  if (!description) throw new Error(`the option ${flags} has no description`);
  const fallback = defaultValueDescription ?? defaultValue;
  const notes = [
    argChoices && `One of ${argChoices.map(code).join(', ')}.`,
    mandatory && 'Required.',
    fallback !== undefined && fallback !== 'none' && `Default: ${code(fallback)}.`,
  ];
  return [cell(sentence(description)), ...notes.filter(Boolean)].join(' ');
}

/** From the schema that reads it: a table per section, and one per model family. */
export function configuration({ runConfig, families, augmentationPresets }) {
  const { properties } = z.toJSONSchema(runConfig, { io: 'input' });
  const single = Object.entries(properties).filter(([, schema]) => !schema.properties && !schema.oneOf);
  return page(
    note('the schema in src-main/contract/runConfig.ts'),
    '# Configuration of a run',
    `A configuration is a YAML file. ${code('--set KEY=VALUE')} overrides one key, such as ${code('--set training.steps=50')}. A key that is not listed here is refused.`,
    '## Whole run',
    keys('', Object.fromEntries(single)),
    '### Entries of devices',
    `An entry of ${code('devices')} is an identifier such as ${code('cpu:0')}, or these keys:`,
    keys('', deviceEntry(properties.devices).properties),
    Object.entries(properties).flatMap(([name, schema]) => {
      if (schema.oneOf) return schema.oneOf.flatMap((variant) => family(variant, families));
      return schema.properties ? [`## ${name}`, ...sections(name, schema.properties)] : [];
    }),
    '### Presets of data.augmentation',
    'A key that is given beside a preset replaces the preset’s value.',
    table(
      ['Preset', 'Keys that it sets'],
      [...augmentationPresets].map(([name, sizes]) => [code(name), settings(sizes) || 'none']),
    ),
  );
}

const deviceEntry = ({ anyOf }) =>
  anyOf.find(({ type }) => type === 'array').items.anyOf.find(({ properties }) => properties);
const settings = (values) =>
  Object.entries(values)
    .map(([key, value]) => code(`${key}: ${JSON.stringify(value)}`))
    .join(', ');

function sections(name, properties) {
  const [own, nested] = [false, true].map((has) =>
    Object.entries(properties).filter(([, { properties: inner }]) => Boolean(inner) === has),
  );
  return [
    ...(own.length > 0 ? [keys(`${name}.`, Object.fromEntries(own))] : []),
    ...nested.flatMap(([key, schema]) => [`### ${name}.${key}`, ...sections(`${name}.${key}`, schema.properties)]),
  ];
}

function family({ properties }, families) {
  const name = properties.family.const;
  const sizes = Object.entries(families.get(name).sizes ?? {});
  const presets = table(
    ['Preset', 'Sizes'],
    sizes.map(([preset, values]) => [code(preset), settings(values)]),
  );
  return [`## model, family ${name}`, keys('model.', properties), ...(sizes.length > 0 ? [presets] : [])];
}

const keys = (prefix, properties) =>
  table(
    ['Key', 'Value', 'Default', 'Meaning'],
    Object.entries(properties).map(([name, schema]) => [
      code(prefix + name),
      cell(values(schema)),
      schema.default === undefined
        ? ''
        : code(typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)),
      meaning(prefix + name, schema),
    ]),
  );

function meaning(key, { description }) {
  if (!description) throw new Error(`${key} has no description in its schema`);
  return cell(sentence(description));
}

/** What a value may be: its type and limits. */
function values(schema) {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum) return schema.enum.map(code).join(', ');
  if (schema.type === 'null') return 'null';
  if (schema.anyOf) return [...new Set(schema.anyOf.map(values))].join(' or ');
  if (schema.type === 'array') return `list of ${values(schema.items).replace(/^(integer|number|list)/, '$1s')}`;
  if (schema.type === 'string' || schema.type === 'boolean') return schema.type === 'string' ? 'text' : 'true or false';
  if (schema.type === 'object') return 'keys of their own';
  return [[schema.type].flat().join(' or '), ...limits(schema)].join(' ');
}

function limits({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }) {
  const bound = (value) => (value === undefined || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value);
  const [least, above, most, below] = [minimum, exclusiveMinimum, maximum, exclusiveMaximum].map(bound);
  return [
    least !== undefined && `from ${least.toLocaleString('en-US')}`,
    above !== undefined && `above ${above}`,
    most !== undefined && `to ${most > 1e12 ? most.toExponential() : most.toLocaleString('en-US')}`,
    below !== undefined && `below ${below}`,
  ].filter(Boolean);
}

/** Records of a run, as its files and `sdp train --json` have them. */
export function metrics({ stepSeries, evaluationSeries, stepColumns, evaluationRecord, ...rest }) {
  const { memoryRecord, deviceChange, sampling, gradientRecord, appEvents, streamed } = rest;
  return page(
    note('the schemas in src-main/contract'),
    '# Metrics of a run',
    `The folder of a run, ${code('runs/ID')} in the data folder, has three forms of its metrics: ${code('metrics.jsonl')}, ${code('gradients.json')} and the event files of TensorBoard. ${code('sdp train --json')} prints steps, evaluations, memory and changes of devices as they arise.`,
    '## metrics.jsonl',
    'Each line is a JSON object. A line has one of five forms.',
    '### Step',
    'One line per step. A value is null if it is not finite, or if the log is older than the series.',
    fields(stepLine(stepColumns)),
    '### Evaluation',
    `One line per evaluation: an object under the key ${code('evaluation')}.`,
    fields(evaluationRecord),
    '### Memory',
    `One line per sample of memory: an object under the key ${code('memory')}.`,
    fields(memoryRecord),
    '### DeviceChange',
    `One line per device that was lost, has joined, or has left: an object under the key ${code('deviceChange')}.`,
    fields(deviceChange),
    '### Sampling',
    `One line per start and resumption: an object under the key ${code('sampling')}, which the checksums of samples are checked by.`,
    fields(sampling),
    '## gradients.json',
    'The gradients of the last measured step. Each row is a unit of the plan, in its order. The last row is what all workers hold.',
    fields(gradientRecord),
    '## TensorBoard',
    'The step of TensorBoard is the number of steps done. Of a series per worker it gets the mean.',
    table(
      ['Tag', 'Meaning'],
      [...Object.values(stepSeries), ...Object.values(evaluationSeries)]
        .filter(({ tag }) => tag !== null)
        .map(({ tag, meaning }) => [code(tag), cell(sentence(meaning))]),
    ),
    '## Output of sdp train --json',
    `Each line is a JSON object. Its key ${code('event')} names the event. Steps arrive in batches: each column is a list with one entry (${code('row')}) per step.`,
    [...streamed].flatMap((name) => [`### ${name}`, fields(appEvents[name], ['evaluation', 'memory'])]),
  );
}

/** A line of the log: of each column the entry of one step. */
function stepLine({ shape }) {
  const entry = (column) => {
    const perWorker = column.element instanceof z.ZodArray;
    const meaning = column.description.replace('[worker][row]', 'one per worker');
    return (perWorker ? z.array(column.element.element) : column.element).describe(meaning);
  };
  const { elapsedMs: _, ...columns } = shape;
  return z.object(Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, entry(column)])));
}

/** Fields of a record with those of the records in it; `told`: names of records with a section of their own. */
function fields(schema, told = []) {
  const rows = (prefix, { properties }) =>
    Object.entries(properties).flatMap(([name, of]) => {
      const path = `${prefix}${name}`;
      if (told.includes(path)) return [[code(path), 'object', `As under [${sentence(path).slice(0, -1)}](#${path}).`]];
      if (of.properties) return rows(`${path}.`, of);
      if (of.type === 'array' && of.items.properties) return rows(`${path}[].`, of.items);
      return [[code(path), cell(values(of)), meaning(path, of)]];
    });
  return table(['Field', 'Value', 'Meaning'], rows('', z.toJSONSchema(schema)));
}
