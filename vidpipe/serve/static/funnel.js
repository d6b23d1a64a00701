// Who answers: the stages from the first to the last, with what audits found of each.

import { el, fill, percent, span, write } from "./dom.js";

const PLAIN = { source: "never decoded", engine: "no stage" };

function audits(row) {
  if (!row.type) return "";
  if (!row.audited && !row.answered && !row.last) return "has answered nothing so far";
  if (!row.audited) return row.last ? "what the others are checked against" : "not audited yet";
  const rate = `misses ${percent(row.rate)}`;
  const apart = row.relabelled ? `; ${row.relabelled} of them left out, in which the last stage was wrong` : "";
  return `${rate} (95 %: ${percent(row.low)} to ${percent(row.high)}); ${row.missed} of ${row.audited} audits${apart}`;
}

class Row {
  constructor(row) {
    this.share = el("span", { class: "number" });
    this.reached = el("span", { class: "reached" });
    this.answered = el("span", { class: "answered" });
    this.under = el("p", { class: "small quiet" });
    const name = el("span", {}, el("b", {}, PLAIN[row.id] ?? row.id), " ",
      el("span", { class: "quiet small" }, [row.type !== row.id ? row.type : "", row.tier].filter(Boolean).join(", ")));
    this.element = el("li", {}, el("div", { class: "head" }, name, this.share),
      el("div", { class: "bar", "aria-hidden": "true" }, this.reached, this.answered), this.under);
  }

  tell(row, hasWindow) {
    const now = hasWindow ? row.share_now : row.share;
    write(this.share, hasWindow ? `${percent(now)} now, ${percent(row.share)} in all` : percent(row.share));
    this.answered.style.width = `${100 * now}%`;
    this.reached.style.width = `${100 * (hasWindow ? row.reached_now : now)}%`;
    write(this.under, audits(row));
  }
}

export class Funnel {
  constructor() {
    this.list = el("ol", { class: "funnel" });
    this.note = el("p", { class: "small quiet" });
    this.rows = new Map();
    this.element = el("section", { class: "card", "aria-label": "Who answers" },
      el("h2", {}, "Who answers"), this.list, this.note);
  }

  tell(funnel, windowS) {
    const shown = funnel.filter((row) => row.type || row.answered);
    if (shown.length) shown.at(-1).last = true;
    if (shown.map((row) => row.id).join() !== [...this.rows.keys()].join()) {
      this.rows = new Map(shown.map((row) => [row.id, new Row(row)]));
      fill(this.list, [...this.rows.values()].map((row) => row.element));
    }
    for (const row of shown) this.rows.get(row.id).tell(row, windowS > 0);
    write(this.note, windowS ? `Now: the last ${span(windowS)}. Pale: what came as far as this stage.` : "");
  }
}
