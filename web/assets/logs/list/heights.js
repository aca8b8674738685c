// Where each row stands. All rows are as high, unless lines wrap: then a height is estimated by the number of characters
// until the row has been seen and measured.
const MOST_TEXT_ROWS = 8; // of a wrapped line; the rest is in the panel. Also keeps 100,000 lines below the greatest height that browsers allow

export class Heights {
  #tops = new Int32Array(1024); // of row i; as far as #known
  #known = 0;
  #layout = 0; // what was measured under another layout does not hold
  rowPx = 20;
  textPx = 20; // of one row of text
  columns = 120; // characters in a row of text
  isWrapped = false;

  /** Returns whether something is different now. */
  set({ rowPx, textPx, columns, isWrapped }) {
    const isSame = rowPx === this.rowPx && textPx === this.textPx && isWrapped === this.isWrapped && (!isWrapped || columns === this.columns);
    if (isSame) return false;
    Object.assign(this, { rowPx, textPx, columns, isWrapped });
    this.#layout += 1;
    this.#known = 0;
    return true;
  }

  /** Rows have moved: all but the first `count` are placed anew. */
  forget(count = 0) {
    this.#known = Math.min(this.#known, count);
  }

  of(line) {
    if (!this.isWrapped) return this.rowPx;
    return this.rowPx + (this.#rowsOf(line) - 1) * this.textPx;
  }

  /** Takes note of what a row turned out to need. Returns whether that is not what was thought. */
  measure(line, px) {
    const rows = Math.min(MOST_TEXT_ROWS, Math.max(1, Math.round((px - this.rowPx) / this.textPx) + 1));
    const isOther = rows !== this.#rowsOf(line);
    line.rows = rows;
    line.layout = this.#layout;
    return isOther;
  }

  isMeasured(line) {
    return line.layout === this.#layout;
  }

  top(lines, index) {
    if (!this.isWrapped) return index * this.rowPx;
    this.#place(lines, index);
    return this.#tops[index];
  }

  /** The row at a height. */
  at(lines, count, px) {
    if (!this.isWrapped) return Math.max(0, Math.min(count - 1, Math.floor(px / this.rowPx)));
    this.#place(lines, count);
    let [low, high] = [0, Math.max(0, count - 1)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#tops[middle] <= px) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #rowsOf(line) {
    if (line.layout === this.#layout) return line.rows;
    const { length } = line.kind === "line" ? line.head : line.text;
    return Math.min(MOST_TEXT_ROWS, Math.max(1, Math.ceil(length / this.columns)));
  }

  /** tops[0 … index]. */
  #place(lines, index) {
    if (index < this.#known) return;
    if (index + 1 > this.#tops.length) {
      const more = new Int32Array(Math.max(index + 1, this.#tops.length * 2));
      more.set(this.#tops);
      this.#tops = more;
    }
    if (this.#known === 0) {
      this.#tops[0] = 0;
      this.#known = 1;
    }
    for (; this.#known <= index; this.#known += 1) {
      this.#tops[this.#known] = this.#tops[this.#known - 1] + this.of(lines[this.#known - 1]);
    }
  }
}
