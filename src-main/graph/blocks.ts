// The arena of a device process (native/core/src/blocks.rs), followed in numbers: how much memory a sequence of requests takes.
//
// Best fit: a request gets the smallest free block between used ones that is large enough, of equal ones the lowest; where there is none,
// it goes to the end of the used part, which shrinks when what lies there is freed. Freed neighbours are joined.

const alignment = 256;

export interface Block {
  start: number;
  size: number;
}

export class Blocks {
  /** Free blocks between used ones, by address; no two are neighbours. */
  private readonly free: Block[] = [];
  private end = 0;
  private largest = 0;

  /** The largest that the used part has been, in bytes. */
  get peak(): number {
    return this.largest;
  }

  take(bytes: number): Block {
    const size = alignedBytes(bytes);
    const index = this.bestFit(size);
    const found = this.free[index];
    const start = found?.start ?? this.end;
    if (found) {
      const left = found.size - size;
      this.free.splice(index, 1, ...(left > 0 ? [{ start: start + size, size: left }] : []));
    } else {
      this.end += size;
      this.largest = Math.max(this.largest, this.end);
    }
    return { start, size };
  }

  giveBack(block: Block): void {
    const above = this.free.findIndex((other) => other.start > block.start);
    const at = above < 0 ? this.free.length : above;
    const [previous, next] = [this.free[at - 1], this.free[at]];
    const joinsPrevious = previous !== undefined && previous.start + previous.size === block.start;
    const joinsNext = next !== undefined && block.start + block.size === next.start;
    const start = joinsPrevious ? previous.start : block.start;
    const end = joinsNext ? next.start + next.size : block.start + block.size;
    const joined = end < this.end ? [{ start, size: end - start }] : [];
    this.free.splice(joinsPrevious ? at - 1 : at, Number(joinsPrevious) + Number(joinsNext), ...joined);
    if (end === this.end) this.end = start;
  }

  /** Index of the free block to take from; -1 where none is large enough. */
  private bestFit(size: number): number {
    let best = -1;
    this.free.forEach((block, i) => {
      if (block.size >= size && (best < 0 || block.size < this.free[best]!.size)) best = i;
    });
    return best;
  }
}

/** What a request takes of the arena. */
export const alignedBytes = (bytes: number): number => Math.ceil(Math.max(bytes, 1) / alignment) * alignment;
