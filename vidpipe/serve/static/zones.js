// Zones and lines of a camera: drawn on its picture, and in force from its next frame on.

import { get, ofRun, send } from "./api.js";
import { el, fill } from "./dom.js";

const written = (points) => points.map(([x, y]) => `${Math.round(100 * x)},${Math.round(100 * y)}`).join(" ");

function read(text) {
  const points = text.trim().split(/\s+/).filter(Boolean).map((pair) => pair.split(",").map((part) => Number(part) / 100));
  return points.every((point) => point.length === 2 && point.every(Number.isFinite)) ? points : null;
}

export class Zones {
  constructor(stream, picture, admin, notice) {
    this.stream = stream;
    this.picture = picture;
    this.admin = admin;
    this.notice = notice;
    this.points = [];
    this.list = el("ul", { class: "list" });
    this.kind = el("select", {}, el("option", { value: "zone" }, "zone"), el("option", { value: "line" }, "line"));
    this.name = el("input", { required: true, maxlength: 60, autocomplete: "off", size: 14 });
    this.text = el("input", { autocomplete: "off", size: 26, placeholder: "10,20 80,20 80,90",
      oninput: () => this.take(read(this.text.value) ?? this.points, false) });
    const label = (text, input) => el("label", {}, text, input);
    this.form = el("form", { class: "form", hidden: true, onsubmit: (event) => this.keep(event) },
      label("A new", this.kind), label("Name", this.name), label("Points, % of width and height", this.text),
      el("button", { class: "main" }, "Keep it"),
      el("button", { type: "button", onclick: () => this.draw(false) }, "Cancel"));
    this.begin = el("button", { type: "button", onclick: () => this.draw(true) }, "Draw one");
    this.hint = el("p", { class: "small quiet", hidden: true },
      "Click the corners on the picture, or write them. A line is crossed inwards by who comes from its left.");
    this.element = el("section", { class: "card editing" }, el("h2", {}, "Zones and lines"), this.list, this.begin, this.form,
      this.hint);
    this.begin.hidden = !admin;
    this.kind.addEventListener("change", () => this.take(this.points, false));
    this.click = (event) => this.take([...this.points, this.picture.place(event)], true);
  }

  async read() {
    const told = await get("rules", ofRun({ stream: this.stream })).catch(() => null);
    if (told === null) return;
    this.told = told;
    this.begin.hidden = !this.admin || !told.editable;
    this.picture.showPlaces(told.zones, told.lines);
    const row = (kind, name) => {
      const rules = Object.values(told.rules).filter((rule) => [rule[kind]].flat().includes(name));
      const what = rules.map((rule) => (rule.id === name ? rule.kind : `${rule.id} (${rule.kind})`)).join(", ");
      return el("li", {}, el("span", {}, el("b", {}, name), ` ${kind}`, what ? el("span", { class: "quiet" }, ` · ${what}`) : ""),
        this.admin
          ? el("button", { type: "button", class: "plain", "aria-label": `Remove ${kind} ${name}`,
              onclick: () => this.change({ remove: this.without(kind, name) }, `${kind} ${name} removed`) }, "Remove")
          : "");
    };
    const rows = [...Object.keys(told.zones).map((name) => row("zone", name)),
      ...Object.keys(told.lines).map((name) => row("line", name))];
    fill(this.list, rows.length ? rows : el("li", { class: "quiet" }, "None yet."));
  }

  // A rule that is for this place alone goes with it.
  without(kind, name) {
    const alone = Object.values(this.told.rules)
      .filter((rule) => rule.id !== name && [rule[kind]].flat().join() === name)
      .map((rule) => rule.id);
    return { [`${kind}s`]: [name], ...(alone.length ? { rules: alone } : {}) };
  }

  draw(on) {
    this.begin.hidden = on || !this.admin;
    this.form.hidden = this.hint.hidden = !on;
    this.picture.element.classList.toggle("drawing", on);
    this.picture.over.removeEventListener("click", this.click);
    if (on) {
      this.picture.over.addEventListener("click", this.click);
      this.name.focus();
    }
    this.take([], true);
  }

  take(points, write) {
    this.points = points;
    if (write) this.text.value = written(points);
    this.picture.showDrawn(this.kind.value, points);
  }

  async keep(event) {
    event.preventDefault();
    const [kind, least] = [this.kind.value, this.kind.value === "zone" ? 3 : 2];
    if (this.points.length < least) {
      this.notice.say(`a ${kind} has ${least} points or more`);
      return;
    }
    const added = { add: { [`${kind}s`]: { [this.name.value]: this.points } } };
    if (await this.change(added, `${kind} ${this.name.value} drawn`)) {
      this.name.value = "";
      this.draw(false);
    }
  }

  async change(edit, reason) {
    const asked = ofRun({ stream: this.stream, version: this.told.version, reason, ...edit });
    const done = await this.notice.during(() => send("rules", asked));
    await this.read();
    return done;
  }

  leave() {
    this.picture.over.removeEventListener("click", this.click);
  }
}
