// Elements and words. Text never becomes markup: whatever a camera or rule is called is shown as it is written.

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  set(made, attributes);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export function svg(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  set(made, attributes);
  if (text) made.textContent = text;
  return made;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

// Replaces children only where something has changed, so that what has the focus keeps it.
export function fill(element, ...children) {
  const fresh = children.flat().filter((child) => child !== null && child !== undefined && child !== "");
  element.replaceChildren(...fresh);
  return element;
}

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A table whose cells change in place, so that it keeps its scroll position and the focus.
export class Table {
  constructor(label, head) {
    this.body = el("tbody");
    const columns = head.map((text) => el("th", { scope: "col" }, text));
    this.element = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
      el("table", {}, el("thead", {}, el("tr", {}, columns)), this.body));
  }

  // A cell is a text, or a text with the class of its state.
  show(rows) {
    while (this.body.rows.length > rows.length) this.body.lastChild.remove();
    rows.forEach((cells, at) => {
      const row = this.body.rows[at] ?? this.body.appendChild(el("tr", {}, cells.map(() => el("td", {}, el("span")))));
      cells.forEach((cell, place) => {
        const [text, style] = Array.isArray(cell) ? cell : [cell, ""];
        const shown = row.cells[place].firstChild;
        write(shown, text);
        if (shown.className !== style) shown.className = style;
      });
    });
  }
}

export const percent = (share) =>
  share === null || share === undefined ? "" : `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export const time = (at) =>
  new Date(1000 * at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const day = (at) =>
  new Date(1000 * at).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });

export const number = (value) => value.toLocaleString("en").replaceAll(",", " ");

export function bytes(size) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return `${size < 10 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

export function things(seen) {
  const named = Object.entries(seen).filter(([, count]) => count);
  return named.length ? named.map(([name, count]) => `${count} × ${name}`).join(", ") : "nothing in view";
}

const GOOD = ["live", "running"];
const BAD = ["offline", "failed", "refused"];
const IDLE = ["ended", "stopped", "paused"];

export function stateClass(state) {
  if (GOOD.includes(state)) return "state good";
  if (BAD.includes(state)) return "state bad";
  return IDLE.includes(state) ? "state" : "state warn";
}
