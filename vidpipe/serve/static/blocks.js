// A list of any length of which only what is near the view is in the document: the rest is room, and text to find.

import { el } from "./dom.js";

const NEAR = 2500; // pixels before and behind the view
const ROW = 126; // of a card with the gap behind it
const WIDTH = 412; // the least of a card, likewise
const GAP = 12;

// Items that come into the document together. Far ones leave their height behind, so that nothing moves, and what they
// say, so that a browser's search finds it (`hidden="until-found"`) and has them come back.
class Block {
  constructor(items, show, text, label) {
    this.items = items;
    this.show = show;
    this.list = el("ul", { class: "reviews", "aria-label": label });
    this.said = el("p", { hidden: "until-found", onbeforematch: () => this.found() }, items.map(text).join(" / "));
    this.element = el("div", { class: "block" }, this.said, this.list);
    this.width = 0;
    this.there = false;
  }

  get busy() {
    return this.list.contains(document.activeElement) || this.list.querySelector('[aria-expanded="true"]') !== null;
  }

  // Keeps as much room as it took when it was there, or will take as far as one can tell. Widths are told: to read them
  // would have the browser lay out everything for each block.
  reserve(width) {
    if (this.there || width === this.width) return;
    this.width = width;
    const columns = Math.max(1, Math.floor((width + GAP) / WIDTH));
    this.room(Math.ceil(this.items.length / columns) * ROW - GAP);
  }

  room(height) {
    this.element.style.minHeight = `${height}px`;
    this.element.style.containIntrinsicBlockSize = `auto ${height}px`;
  }

  enter() {
    if (this.there) return;
    this.there = true;
    this.said.remove();
    this.list.replaceChildren(...this.items.map(this.show));
    this.element.style.minHeight = "";
  }

  // A search has found what it says: the browser would scroll to text that is no more.
  found() {
    this.enter();
    this.element.scrollIntoView();
  }

  leave(width) {
    if (!this.there || this.busy) return;
    this.there = false;
    this.width = width;
    this.room(this.element.offsetHeight);
    this.list.replaceChildren();
    this.element.prepend(this.said);
    this.said.hidden = "until-found";
  }
}

export class Blocks {
  // `show` makes an item's element, `text` what a search finds of it.
  constructor(show, text) {
    this.show = show;
    this.text = text;
    this.blocks = new Map(); // by element
    this.waiting = new Map(); // what is to come and go, by block: whether it comes
    this.frame = 0;
    this.near = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) this.waiting.set(this.blocks.get(target), isIntersecting);
      this.next();
    }, { rootMargin: `${NEAR}px 0px` });
    this.width = 0;
    this.sizes = new ResizeObserver(([{ contentRect }]) => {
      this.width = contentRect.width;
      this.blocks.forEach((block) => block.reserve(this.width));
    });
  }

  // Puts items at the end of an element.
  put(parent, items, label) {
    if (!this.blocks.size) {
      this.width = parent.clientWidth;
      this.sizes.observe(parent);
    }
    const block = new Block(items, this.show, this.text, label);
    this.blocks.set(block.element, block);
    block.reserve(this.width);
    parent.append(block.element);
    this.near.observe(block.element);
  }

  // One block each frame: so nobody who scrolls waits for several.
  next() {
    if (this.frame || !this.waiting.size) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const [[block, comes]] = this.waiting;
      this.waiting.delete(block);
      if (comes) block.enter();
      else block.leave(this.width);
      this.next();
    });
  }

  clear() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.near.disconnect();
    this.sizes.disconnect();
    this.blocks.clear();
    this.waiting.clear();
  }
}
