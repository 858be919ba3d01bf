// A list of rows of varying height, of which only those near the window, and the one with the focus, are in the document.

const BEYOND = 700; // pixels above and below the window that have rows too
const GUESS = 180;

class Rows {
  /** `make` returns the element of an item at an index; `reached` is called when rows have come into the document. */
  constructor(scroller, body, make, reached) {
    Object.assign(this, { scroller, body, make, reached });
    this.items = [];
    this.kept = undefined; // an item that stays in the document
    this.heights = new Map();
    this.elements = new Map();
    this.offsets = new Float64Array(1);
    this.observer = new ResizeObserver(() => this.update());
  }

  /** Show other items, or the same again since what they look like has changed. What is in view stays, if it can. */
  show(items) {
    const { index: at, below } = this.#anchor();
    const first = this.items[at];
    const hasBegun = this.scroller.scrollTop > this.#bodyTop() - this.covered(); // to stick: the names of the models
    this.items = items;
    this.indexes = new Map(items.map((item, index) => [item, index]));
    for (const item of [...this.elements.keys()]) this.#remove(item);
    this.heights = new Map();
    this.guess = undefined;
    this.#layOut();
    const index = this.indexes.get(first);
    if (hasBegun && index !== undefined) this.scroller.scrollTop = this.#bodyTop() + this.offsets[index] + below;
    this.update();
  }

  /** Make the element of one item again. */
  renew(item) {
    if (!this.elements.has(item)) return;
    this.#remove(item);
    this.update();
  }

  /** Bring the rows near the window into the document, and put each in its place. What is in view stays where it is. */
  update() {
    const isAtEnd = this.scroller.scrollTop > 0 && this.#leftBelow() < 2;
    for (let round = 0; round < 5; round++) {
      const anchor = this.#anchor();
      this.#fill();
      if (!this.#measure()) break;
      this.#layOut();
      this.scroller.scrollTop = isAtEnd ? this.scroller.scrollHeight : this.#bodyTop() + this.offsets[anchor.index] + anchor.below;
    }
    for (const [item, element] of this.elements) element.style.top = `${this.offsets[this.indexes.get(item)]}px`;
    this.reached();
  }

  /** Scroll until an item is in view, under what sticks to the top. */
  reveal(item) {
    const index = this.indexes.get(item);
    for (let round = 0; round < 6; round++) {
      const top = Math.floor(this.#bodyTop() + this.offsets[index] - this.covered());
      const bottom = Math.ceil(this.#bodyTop() + this.offsets[index + 1] - this.scroller.clientHeight);
      const wanted = Math.min(top, Math.max(bottom, this.scroller.scrollTop));
      if (this.elements.has(item) && Math.abs(wanted - this.scroller.scrollTop) < 1) break;
      this.scroller.scrollTop = wanted;
      this.update();
    }
  }

  /** Return the item that is so many pixels below the upper edge of another. */
  itemBelow(item, pixels) {
    return this.items[this.#indexAt(this.offsets[this.indexes.get(item)] + pixels)];
  }

  /** Return the first item in view. */
  first() {
    return this.items[this.#anchor().index];
  }

  /** Return how much of the window's top is covered by what sticks there. */
  covered() {
    return this.body.previousElementSibling.getBoundingClientRect().bottom - this.scroller.getBoundingClientRect().top;
  }

  /** Have the first rows in the document, one below the other, for paper; or again those near the window. */
  print(most) {
    this.most = most;
    this.update();
  }

  #bodyTop() {
    const { body, scroller } = this;
    return body.getBoundingClientRect().top - scroller.getBoundingClientRect().top + scroller.scrollTop;
  }

  #leftBelow() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  #anchor() {
    const from = this.scroller.scrollTop - this.#bodyTop();
    const index = this.#indexAt(from + this.covered());
    return { index, below: from - this.offsets[index] };
  }

  /** Return the index of the row at a distance from the body's top, by halving. */
  #indexAt(distance) {
    let [low, high] = [0, Math.max(0, this.items.length - 1)];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.offsets[middle + 1] > distance) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #fill() {
    const from = this.scroller.scrollTop - this.#bodyTop();
    const begin = this.most ? 0 : this.#indexAt(from - BEYOND);
    const end = this.most ?? this.#indexAt(from + this.scroller.clientHeight + BEYOND) + 1;
    const wanted = new Set(this.items.slice(begin, end));
    if (this.indexes.has(this.kept)) wanted.add(this.kept);
    for (const item of [...this.elements.keys()]) if (!wanted.has(item)) this.#remove(item);
    for (const item of wanted) if (!this.elements.has(item)) this.#add(item);
  }

  /** Put an item's element where it belongs among the others, so that Tab and screen readers meet them in order. */
  #add(item) {
    const index = this.indexes.get(item);
    const element = this.make(item, index);
    const next = [...this.body.children].find((each) => this.indexes.get(each.item) > index);
    element.item = item;
    this.body.insertBefore(element, next ?? null);
    this.elements.set(item, element);
    this.observer.observe(element);
  }

  #remove(item) {
    const element = this.elements.get(item);
    this.observer.unobserve(element);
    element.remove();
    this.elements.delete(item);
  }

  /** Note the heights of the rows in the document; return whether one is another than was thought. */
  #measure() {
    let hasChanged = false;
    for (const [item, element] of this.elements) {
      const { height } = element.getBoundingClientRect();
      if (Math.abs((this.heights.get(item) ?? -1) - height) < 0.5) continue;
      this.heights.set(item, height);
      hasChanged = true;
    }
    return hasChanged;
  }

  #layOut() {
    const known = [...this.heights.values()];
    // Guessed once, from the first rows: a guess that changes would move the scroll bar under the reader's hand.
    this.guess ??= known.length ? known.reduce((sum, height) => sum + height, 0) / known.length : undefined;
    this.offsets = new Float64Array(this.items.length + 1);
    this.items.forEach((item, index) => {
      this.offsets[index + 1] = this.offsets[index] + (this.heights.get(item) ?? this.guess ?? GUESS);
    });
    this.body.style.height = `${this.offsets[this.items.length]}px`;
  }
}
