// The lines that this page keeps, in the order of their ids, with what was told between them. Bounded by number and by
// bytes: the oldest go.
const MOST_LINES = 100_000;
const MOST_BYTES = 96 * 1024 * 1024;
const ROOM = 0.02; // so much more than needed goes at once: taking single ones from the front would cost each time

export class Store {
  lines = [];
  bytes = 0;
  came = 0; // lines that were appended since the page was opened
  dropped = 0; // of the oldest
  shifts = 0; // counts whatever changes the place of a line
  #mostLines;
  #mostBytes;

  constructor({ mostLines = MOST_LINES, mostBytes = MOST_BYTES } = {}) {
    this.#mostLines = mostLines;
    this.#mostBytes = mostBytes;
  }

  get newest() {
    return this.#lineFrom(this.lines.length - 1, -1);
  }

  get oldest() {
    return this.#lineFrom(0, 1);
  }

  /** Whether older lines that are loaded would at once go again. */
  get isFull() {
    return this.lines.length > this.#mostLines * (1 - 2 * ROOM) || this.bytes > this.#mostBytes * (1 - 2 * ROOM);
  }

  /** Returns whether it is new. */
  append(line) {
    const newest = this.newest;
    if (newest && compare(line, newest) <= 0) return this.merge([line]) === 1;
    this.#push(line);
    this.came += 1;
    return true;
  }

  /** What happened now, after all lines there are. Notes that can be added up are. */
  tell(note) {
    const last = this.lines.at(-1);
    if (last?.kind === note.kind && note.addTo?.(last)) return;
    const { ms, number } = this.newest ?? { ms: 0, number: 0 };
    this.#push({ ...note, ms, number: number + 0.5 });
  }

  /** Lines of a page of the history, oldest first, wherever they belong. Returns how many were new. */
  merge(lines) {
    const fresh = lines.filter((line) => !this.same(line));
    if (!fresh.length) return 0;
    this.lines = joined(this.lines, fresh);
    for (const { size } of fresh) this.bytes += size;
    this.shifts += 1;
    this.#trim();
    return fresh.length;
  }

  clear() {
    this.lines = [];
    this.bytes = 0;
    this.dropped = 0;
    this.shifts += 1;
  }

  /** Where a line stands, or would stand. */
  indexOf(line) {
    let index = lowest(this.lines, line);
    while (index < this.lines.length && this.lines[index] !== line && compare(this.lines[index], line) === 0) index += 1; // notes in a row
    return index;
  }

  /** The line of the same id, which may be another object: lines are read anew with other filters. */
  same(line) {
    const found = this.lines[lowest(this.lines, line)];
    return found && compare(found, line) === 0 ? found : null;
  }

  #push(line) {
    this.lines.push(line);
    this.bytes += line.size;
    this.#trim();
  }

  #trim() {
    if (this.lines.length <= this.#mostLines && this.bytes <= this.#mostBytes) return;
    const [mostLines, mostBytes] = [this.#mostLines * (1 - ROOM), this.#mostBytes * (1 - ROOM)];
    let gone = Math.max(0, this.lines.length - Math.floor(mostLines));
    let bytes = this.bytes;
    for (let index = 0; index < gone; index += 1) bytes -= this.lines[index].size;
    while (bytes > mostBytes && gone < this.lines.length - 1) bytes -= this.lines[gone++].size;
    this.lines.splice(0, gone);
    this.bytes = bytes;
    this.dropped += gone;
    this.shifts += 1;
  }

  #lineFrom(index, step) {
    while (this.lines[index] && this.lines[index].kind !== "line") index += step;
    return this.lines[index] ?? null;
  }
}

function compare(one, other) {
  return one.ms - other.ms || one.number - other.number;
}

/** The first place of a sorted list that is not before that line. */
function lowest(lines, line) {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(lines[middle], line) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two sorted lists as one. */
function joined(one, other) {
  if (!one.length || compare(other[0], one.at(-1)) > 0) return one.concat(other);
  if (compare(other.at(-1), one[0]) < 0) return other.concat(one);
  const all = [];
  let [left, right] = [0, 0];
  while (left < one.length && right < other.length) all.push(compare(one[left], other[right]) < 0 ? one[left++] : other[right++]);
  return all.concat(one.slice(left), other.slice(right));
}
