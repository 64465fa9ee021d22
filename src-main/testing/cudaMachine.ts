// Made-up Linux machines with ONNX Runtime's CUDA provider and CUDA's libraries, as files under a folder.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildElf, type Elf } from './elf.ts';

/** What the provider of onnxruntime-gpu 1.30 says about itself. */
export const provider: Elf = {
  needed: ['libcublasLt.so.13', 'libcublas.so.13', 'libcurand.so.10', 'libcudart.so.13', 'libcuda.so.1', 'libc.so.6'],
  strings: [
    'libcudnn.so.9',
    'libcudnn.so',
    'libcufft.so.12',
    'libnvrtc.so.12',
    'libnvrtc.so.13',
    'libcudart.so.12',
    '1.30.0',
  ],
  architectures: ['7.5', '8.0', '8.6', '8.9', '9.0a', '12.0a'],
};

const cudnn: Elf = { runpath: '$ORIGIN', strings: ['libcudnn_graph.so', 'libcudnn_ops.so'] };

/** CUDA as the packages of a major version bring it, without cuDNN. */
export function toolkit(major: 12 | 13): Record<string, Elf> {
  return {
    [`libcudart.so.${major}`]: {},
    [`libcublas.so.${major}`]: { needed: [`libcublasLt.so.${major}`] },
    [`libcublasLt.so.${major}`]: {},
    'libcurand.so.10': {},
    [`libcufft.so.${major - 1}`]: {},
    [`libnvrtc.so.${major}`]: {},
  };
}

/** cuDNN for a CUDA: the same names for each. */
export function cudnnFor(major: 12 | 13): Record<string, Elf> {
  return {
    'libcudnn.so.9': cudnn,
    'libcudnn_adv.so.9': { needed: ['libcudnn_graph.so.9'], strings: [`libcublasLt.so.${major}`] },
    'libcudnn_graph.so.9': {},
    'libcudnn_ops.so.9': { needed: ['libcudnn_graph.so.9'] },
  };
}

export const cudnnLibraries = cudnnFor(13);

/** Writes libraries into a folder; their names are their sonames. */
export async function writeLibraries(folder: string, libraries: Record<string, Elf>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [soname, elf] of Object.entries(libraries))
    await writeFile(join(folder, soname), buildElf({ soname, ...elf }));
}

/** Writes the provider beside a runtime that is not there; the runtime's path. */
export async function writeProvider(folder: string, elf: Elf = provider): Promise<string> {
  await writeLibraries(folder, { 'libonnxruntime_providers_cuda.so': elf });
  return join(folder, 'libonnxruntime.so.1');
}

/** /etc/ld.so.cache with these paths, in the format of glibc. */
export async function writeLoaderCache(path: string, paths: readonly string[], kind = 0x0303): Promise<void> {
  const table = Buffer.alloc(48 + 24 * paths.length);
  table.write('glibc-ld.so.cache1.1');
  table.writeUInt32LE(paths.length, 20);
  let text = '';
  paths.forEach((library, index) => {
    const at = 48 + 24 * index;
    table.writeInt32LE(kind, at);
    for (const [offset, string] of [
      [4, library.split('/').at(-1)!],
      [8, library],
    ] as const) {
      table.writeUInt32LE(table.length + text.length, at + offset);
      text += `${string}\0`;
    }
  });
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, Buffer.concat([table, Buffer.from(text)]));
}
