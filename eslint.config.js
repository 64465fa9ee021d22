// What the compiler does not see: promises left alone, unsafe values, Vue's rules, and Electron outside its folder.

import vue from 'eslint-plugin-vue';
import { defineConfig, globalIgnores } from 'eslint/config';
import ts from 'typescript-eslint';

const runtimeByLoader = {
  name: 'onnxruntime-node',
  allowTypeImports: true,
  message: 'Use runtime/onnxRuntime.ts, which turns its telemetry off before it is loaded.',
};

const electronOnlyInApp = {
  name: 'electron',
  message: 'Only src-main/app may import electron.',
};

export default defineConfig(
  globalIgnores(['out/', 'types/', 'native/', 'node_modules/', 'testdata/', 'playwright-report/', 'test-results/']),
  ...ts.configs.recommendedTypeChecked,
  ...vue.configs['flat/recommended'],
  {
    languageOptions: {
      parserOptions: {
        project: ['tsconfig.json', 'tsconfig.app.json', 'tsconfig.web.json', 'tsconfig.e2e.json'],
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.vue'],
      },
    },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Records of functions (transports, stores, clients) are taken apart everywhere; none of them uses `this`.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/no-restricted-imports': ['error', { paths: [runtimeByLoader] }],
      'no-restricted-imports': ['error', { paths: [electronOnlyInApp] }],
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: {
      // Layout is prettier's.
      'vue/html-indent': 'off',
      'vue/html-self-closing': 'off',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
    },
  },
  {
    // The linter's compiler does not know the types of .vue files; vue-tsc does, and checks these.
    files: ['src-renderer/**'],
    rules: { '@typescript-eslint/no-unsafe-argument': 'off', '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    // Raw IPC has no sender check: the one place that has it is ipc.ts.
    files: ['src-main/app/**'],
    rules: { 'no-restricted-imports': 'off' },
  },
  {
    files: ['src-main/app/**'],
    ignores: ['src-main/app/ipc.ts', '**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'electron', importNames: ['ipcMain'], message: 'Use ipc.ts, which checks the sender.' }] },
      ],
    },
  },
  {
    // Names may hold escape sequences of terminals: output.ts spells them out.
    files: ['src-main/cli/**'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['**/*.{js,mjs}'],
    extends: [ts.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
  },
);
