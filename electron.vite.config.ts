// Builds the app into out/: main/ (Electron host, device worker and command line, for Node 20 and Electron alike), preload/, renderer/.

import { resolve } from 'node:path';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'electron-vite';

const here = import.meta.dirname;
const node = 'node20.19';

export default defineConfig({
  main: {
    build: {
      target: node,
      // One file is read where a package has a hundred: processes start in half of the time, and devices take 7 MB less.
      externalizeDeps: { exclude: ['commander', 'ml-matrix', 'protobufjs', 'pure-rand', 'ws', 'yaml', 'zod'] },
      rolldownOptions: {
        input: {
          app: resolve(here, 'src-main/app/main.ts'),
          worker: resolve(here, 'src-main/worker/main.ts'),
          cli: resolve(here, 'src-main/cli/entry.ts'),
          planner: resolve(here, 'src-main/plan/plannerThread.ts'),
          gpu: resolve(here, 'src-main/kit/main.ts'),
        },
        // Shared chunks lie beside the entries, so that `import.meta.dirname` is out/main in all of them.
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
      },
    },
  },
  preload: {
    build: {
      target: node,
      // A sandboxed preload is one CommonJS file.
      externalizeDeps: false,
      rolldownOptions: {
        input: { preload: resolve(here, 'src-main/app/preload.ts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: resolve(here, 'src-renderer'),
    build: {
      target: 'es2022',
      minify: true,
      rolldownOptions: { input: resolve(here, 'src-renderer/index.html') },
    },
    plugins: [vue()],
  },
});
