// A cursor is the place behind an event, "turn.attempt.position".

/** The place before everything of a turn: attempts begin with 1. */
export function beginningOf(turn: number): string {
  return `${turn}.0.0`;
}

export function isBeginning(cursor: string): boolean {
  return numbersOf(cursor)[1] === 0;
}

export function turnOf(cursor: string): number {
  return numbersOf(cursor)[0];
}

/** The last turn of which something lies at or before the cursor. */
export function lastTurnOf(cursor: string): number {
  return isBeginning(cursor) ? turnOf(cursor) - 1 : turnOf(cursor);
}

/** Whether the place `id` is at or before the cursor. */
export function isSeen(id: string, cursor: string): boolean {
  const place = numbersOf(id);
  const seen = numbersOf(cursor);
  const index = place.findIndex((number, index) => number !== seen[index]);
  return index < 0 || place[index]! < seen[index]!;
}

function numbersOf(cursor: string): [number, number, number] {
  return cursor.split(".").map(Number) as [number, number, number];
}
