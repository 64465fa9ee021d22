// Focus in a table of cells: one of them can be reached with Tab, the arrow keys lead from cell to cell.

import { nextTick, ref, type Ref } from 'vue';
import { moveCell } from '../charts/matrix.ts';

export interface CellFocus {
  /** The cell that was last pointed at or focused, as [row, column]; null before. */
  chosen: Ref<readonly [number, number] | null>;
  tabIndex(row: number, column: number): 0 | -1;
  /** For the keys of the table. */
  move(event: KeyboardEvent): Promise<void>;
}

/** `size`: rows and columns. The cells carry `tabIndex` and say when they become `chosen`. */
export function useCellFocus(size: () => readonly [number, number]): CellFocus {
  const chosen = ref<readonly [number, number] | null>(null);
  const tabIndex = (row: number, column: number) => {
    const [atRow, atColumn] = chosen.value ?? [0, 0];
    return row === atRow && column === atColumn ? 0 : -1;
  };
  async function move(event: KeyboardEvent): Promise<void> {
    const table = event.currentTarget as HTMLElement;
    if (!(event.target as HTMLElement).matches('[tabindex]')) return;
    const next = moveCell(event.key, chosen.value ?? [0, 0], size());
    if (!next) return;
    event.preventDefault();
    chosen.value = next;
    await nextTick();
    table.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  }
  return { chosen, tabIndex, move };
}
