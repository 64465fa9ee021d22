// Licences of what a portable folder brings: Node.js, the packages that are bundled into the page, and the crates that are linked into the addon.
// Packages that lie in app/node_modules keep theirs there.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run } from './processes.mjs';
import { SetupError } from './setUp.mjs';

const isLicence = /^(licen[sc]e|copying|copyright|notice|unlicense)/i;
const bundled = ['vue', 'pinia', 'uplot', '@fontsource-variable/inter'];

/** @param {string} folder the portable folder, where node/ is already */
export async function writeLicences(folder) {
  writeFileSync(join(folder, 'node/LICENSE'), nodeLicence());
  mkdirSync(join(folder, 'licences'));
  writeFileSync(join(folder, 'licences/page.txt'), bundledPackages().map(section).join('\n'));
  writeFileSync(join(folder, 'licences/addon.txt'), (await linkedCrates()).map(section).join('\n'));
}

/** Beside bin/ in the archives of nodejs.org, among the documents of packaged ones. */
function nodeLicence() {
  const prefix = dirname(dirname(process.execPath));
  const path = ['LICENSE', 'share/doc/nodejs/LICENSE'].map((name) => join(prefix, name)).find(existsSync);
  if (path) return readFileSync(path, 'utf8');
  return `Node.js ${process.version}: https://github.com/nodejs/node/blob/${process.version}/LICENSE\n`;
}

/** The packages of the page, with what they need in turn. */
function bundledPackages() {
  const names = new Set(bundled);
  for (const name of names) {
    const { dependencies = {} } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));
    for (const needed of Object.keys(dependencies)) names.add(needed);
  }
  return [...names].sort().map((name) => {
    const folder = join(root, 'node_modules', name);
    const { version, license, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return { name, version, license, repository: repository?.url ?? repository, folder };
  });
}

/** What cargo links into the addon: the normal dependencies of sdp-binding for this platform, without the workspace's own crates. */
async function linkedCrates() {
  let json = '';
  const args = ['metadata', '--manifest-path', 'native/Cargo.toml', '--locked', '--offline', '--format-version', '1'];
  const { code } = await run('cargo', [...args, '--filter-platform', 'x86_64-unknown-linux-gnu'], {
    onStdout: (text) => (json += text),
  });
  if (code !== 0)
    throw new SetupError('cargo, which knows the licences of the linked crates, failed; "npm run setup" says more.');
  const { packages, resolve, workspace_members: own } = JSON.parse(json);
  const needs = new Map(resolve.nodes.map(({ id, deps }) => [id, deps]));
  const crates = new Map(packages.map((crate) => [crate.id, crate]));
  const linked = new Set([packages.find(({ name }) => name === 'sdp-binding').id]);
  for (const id of linked) {
    for (const { pkg, dep_kinds: kinds } of needs.get(id)) if (kinds.some(({ kind }) => kind === null)) linked.add(pkg);
  }
  return [...linked]
    .filter((id) => !own.includes(id))
    .map((id) => crates.get(id))
    .map((crate) => ({ ...crate, folder: dirname(crate.manifest_path) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function section({ name, version, license, repository, folder }) {
  const texts = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && isLicence.test(entry.name))
    .map((entry) => readFileSync(join(folder, entry.name), 'utf8').trim());
  const title = `${name} ${version}, ${license}${repository ? `, ${repository}` : ''}`;
  return [`${'='.repeat(100)}\n${title}\n`, ...texts].join('\n') + '\n';
}
