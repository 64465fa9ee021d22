// What can be done from the keyboard: every view registers its actions while it is shown, the palette and the list of shortcuts show them.
//
// Keys are a single key (`p`), two in a row (`g h`), or with Control or Command (`Ctrl+Enter`). Single keys are left alone while the focus is
// in a field that takes text, and everything is while a dialog or a menu is open.

import { onScopeDispose, shallowRef, type Ref } from 'vue';

export interface Action {
  name: string;
  /** Empty: none of its own; the palette has it all the same. */
  keys: string;
  run: () => void;
  enabled?: () => boolean;
}

const registered = shallowRef<readonly Action[]>([]);

/** Registers actions as long as the calling component lives. */
export function useActions(actions: readonly Action[]): void {
  registered.value = [...registered.value, ...actions];
  onScopeDispose(() => (registered.value = registered.value.filter((action) => !actions.includes(action))));
}

export function useAllActions(): Readonly<Ref<readonly Action[]>> {
  return registered;
}

const sequenceMs = 1200;
/** What has the keyboard for itself while it is there. */
const layers = '[role="dialog"], [role="alertdialog"], [role="menu"]';

/** Listens to the keyboard for as long as the page lives. */
export function startKeys(): void {
  let first = '';
  let timer: ReturnType<typeof setTimeout> | undefined;
  window.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.altKey || document.querySelector(layers)) return;
    const key = keyOf(event);
    if (!key.startsWith('Ctrl+') && takesText(event.target)) return;
    const action = find(`${first} ${key}`) ?? find(key);
    clearTimeout(timer);
    first = action ? '' : key;
    timer = setTimeout(() => (first = ''), sequenceMs);
    if (!action) return;
    event.preventDefault();
    action.run();
  });
}

function find(keys: string): Action | undefined {
  return registered.value.find((action) => action.keys === keys && (action.enabled?.() ?? true));
}

export function keyOf({ key, ctrlKey, metaKey }: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey'>): string {
  return ctrlKey || metaKey ? `Ctrl+${key.length === 1 ? key.toUpperCase() : key}` : key;
}

function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const isControl =
    target instanceof HTMLInputElement && ['checkbox', 'radio', 'range', 'button'].includes(target.type);
  return target.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !isControl);
}
