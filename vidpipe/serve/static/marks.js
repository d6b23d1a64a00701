// Moments marked as examples of an event of one's own, and how often such an event errs.

import { get, here, ofRun, send } from "./api.js";
import { el, fill, percent, span, write } from "./dom.js";

const MOMENT_S = 2; // what a mark of a live picture reaches back: what one has just seen

let event = ""; // the one that is marked, in all views

export const mayMark = () => here.store && here.person?.role === "admin";

const text = (yes, name) => `It is ${yes ? "" : "not "}${name}`;

// The field that names the event to be marked; `changed` gets its name, now and whenever it changes.
export function eventField(changed) {
  const names = el("datalist", { id: "own-events" });
  const take = () => {
    event = input.value.trim();
    for (const each of document.querySelectorAll("button[data-says]")) write(each, text(each.dataset.says === "yes", event));
    changed(event);
  };
  const input = el("input", { maxlength: 200, autocomplete: "off", size: 14, list: "own-events", value: event, oninput: take });
  get("taught").then((known) => fill(names, known.map((each) => el("option", { value: each.event }))), () => {});
  take();
  return [el("label", {}, "Mark an event of your own", input), names];
}

// What says of a moment whether it is an event: the one of that name, or the one in the field. `moment` gives the moment
// once that is clicked, `done` gets what was said.
export function markButtons(notice, moment, done, name = null) {
  const button = (yes) => el("button", { type: "button", "data-says": name === null ? (yes ? "yes" : "no") : null,
    onclick: async () => {
      if (await notice.during(() => send("mark", { event: name ?? event, yes, ...moment() }))) done(yes);
    } }, text(yes, name ?? event));
  return el("span", { class: "marks" }, button(true), button(false));
}

const interval = (told) => `95 %: ${percent(told.low) || "0 %"} to ${percent(told.high)}`;

function rate(what, told) {
  if (!told.of) return `${what}: not known, as nobody has answered a question`;
  const counted = `${told.wrong} of ${told.of} answers; ${interval(told)}`;
  return told.enough ? `${what}: ${percent(told.rate) || "0 %"} (${counted})` : `${what}: too few answers to know (${counted})`;
}

function heldBack(told) {
  const count = told ? told.found + told.missed : 0;
  if (!count || told.f1.estimate === null) return "Held back from teaching: nothing, so nothing is known of that";
  return `On ${count} events held back from teaching: F1 ${told.f1.estimate.toFixed(2)} ` +
    `(95 %: ${told.f1.low.toFixed(2)} to ${told.f1.high.toFixed(2)}), ${told.missed} missed, ${told.wrong} false`;
}

// How good the taught events of a stream are, rule by rule; each is called `name` of its rule and event.
export function taughtItems(taught, name = (rule, event) => (rule === event ? rule : `${rule} (${event})`)) {
  return Object.entries(taught ?? {}).map(([rule, told]) => el("li", {},
    el("p", {}, el("b", {}, name(rule, told.event))),
    el("p", { class: "small number" }, heldBack(told.held_back)),
    el("p", { class: "small number" }, rate("Missed, of quiet windows", told.audited.missed)),
    el("p", { class: "small number" }, rate("False, of told events", told.audited.false))));
}

// Of a camera: its taught events, and marks of what is shown.
export class Marking {
  constructor(stream, notice) {
    this.at = null;
    this.since = null;
    this.rules = el("ul", { class: "taught" });
    this.said = el("p", { class: "small quiet number", role: "status" });
    this.from = el("button", { type: "button", "aria-pressed": "false", onclick: () => this.hold(this.since === null ? this.at : null) },
      "From here on");
    const buttons = markButtons(notice, () => this.moment(stream), (yes) => this.marked(yes));
    const field = mayMark() ? eventField((name) => { buttons.hidden = this.from.hidden = !name; }) : [];
    const form = el("div", { class: "form", hidden: !mayMark() }, field, this.from, buttons);
    const hint = mayMark() ? `What is marked are the last ${MOMENT_S} seconds of the picture, or all since "From here on".`
      : here.store ? "" : "To mark moments run with --store FILE.db.";
    this.element = el("section", { class: "card" }, el("h2", {}, "Events of your own"), this.rules, form,
      el("p", { class: "small quiet" }, hint), this.said);
  }

  // The answer to the picture that is shown.
  answered({ pts }) {
    if (this.at !== null && pts < this.at) this.hold(null); // the stream began anew
    this.at = pts;
  }

  hold(at) {
    this.since = at;
    this.from.setAttribute("aria-pressed", String(at !== null));
    write(this.from, at === null ? "From here on" : "Not from there");
  }

  moment(stream) {
    const end = this.at ?? 0;
    const begin = this.since !== null && this.since < end ? this.since : Math.max(0, end - MOMENT_S);
    this.asked = [begin, end];
    return ofRun({ stream, begin, end });
  }

  marked(yes) {
    const [begin, end] = this.asked;
    write(this.said, `${span(end - begin)} up to ${end.toFixed(1)} s ${yes ? "are" : "are not"} ${event}.`);
    this.hold(null);
  }

  tell(stream) {
    const known = JSON.stringify(stream.taught ?? {});
    if (known === this.known) return;
    this.known = known;
    const items = taughtItems(stream.taught);
    fill(this.rules, items.length ? items : el("li", { class: "quiet" }, "No rule of kind learnt has an event here."));
  }
}
