// NVIDIA's cards as the CUDA devices of a process: those that CUDA_VISIBLE_DEVICES leaves, in its order, else all in PCI order.
//
// A card that is cut into slices (MIG) shows a process one of them: the one that the variable names, else its first.

import { native, type NvidiaCard, type NvidiaCards } from '../native.ts';

/** `index` is that of the CUDA device. `library` stands in for the driver's in tests. */
export async function cudaCards(patienceMs?: number, library?: string): Promise<NvidiaCards> {
  const found = await native().nvidiaCards(patienceMs, library);
  const seen = visibleCards(found.cards, process.env.CUDA_VISIBLE_DEVICES);
  return { ...found, cards: seen.map((card, index) => ({ ...card, index })) };
}

/** As CUDA reads the variable: places or the beginnings of identifiers, up to the first that is neither. */
export function visibleCards(cards: readonly NvidiaCard[], variable: string | undefined): NvidiaCard[] {
  if (variable === undefined) return cards.map((card) => sliceOf(card));
  const seen: NvidiaCard[] = [];
  for (const entry of variable.split(',').map((text) => text.trim())) {
    const card = named(cards, entry);
    if (!card) break;
    seen.push(card);
  }
  return seen;
}

function named(cards: readonly NvidiaCard[], entry: string): NvidiaCard | undefined {
  if (/^\d+$/.test(entry)) {
    const card = cards[Number(entry)];
    return card && sliceOf(card);
  }
  if (!/^(GPU|MIG)-/.test(entry)) return undefined;
  for (const card of cards) {
    if (card.uuid?.startsWith(entry)) return sliceOf(card);
    const slice = card.slices.find(({ uuid }) => uuid?.startsWith(entry));
    if (slice) return sliceOf(card, slice);
  }
  return undefined;
}

/** What is in use of one slice the driver does not tell by card. */
function sliceOf(card: NvidiaCard, slice = card.slices[0]): NvidiaCard {
  return slice ? { ...card, ...slice, usedBytes: null, utilisation: null } : card;
}
