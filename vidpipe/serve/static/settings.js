// Settings of a camera that may change while it runs.

import { get, ofRun, send } from "./api.js";
import { el, fill } from "./dom.js";

class Field {
  constructor(stage, knob) {
    this.stage = stage;
    this.name = knob.name;
    this.was = knob.value;
    const types = [knob.schema, ...(knob.schema.anyOf ?? [])].map((each) => each.type);
    this.nullable = types.includes("null");
    this.kind = types.find((type) => ["boolean", "integer", "number", "string"].includes(type)) ?? "json";
    if (typeof knob.value === "object" && knob.value !== null) this.kind = "json";
    this.input = el("input", { type: this.kind === "boolean" ? "checkbox" : "text", autocomplete: "off", size: 12 });
    if (this.kind === "boolean") this.input.checked = Boolean(knob.value);
    else this.input.value = this.kind === "json" ? JSON.stringify(knob.value) : (knob.value ?? "");
    this.first = this.input.value;
    this.element = el("label", { class: this.kind === "boolean" ? "row" : "", title: knob.schema.description },
      this.kind === "boolean" ? [this.input, knob.name] : [knob.name, this.input]);
  }

  get changed() {
    return this.kind === "boolean" ? this.input.checked !== Boolean(this.was) : this.input.value !== this.first;
  }

  get value() {
    if (this.kind === "boolean") return this.input.checked;
    const text = this.input.value.trim();
    if (text === "" && (this.kind !== "string" || this.nullable)) return null;
    if (this.kind === "json") return JSON.parse(text);
    return this.kind === "string" ? text : Number(text);
  }
}

export class Settings {
  constructor(stream, notice) {
    this.stream = stream;
    this.notice = notice;
    this.fields = [];
    this.holder = el("div", { class: "stack" });
    this.reason = el("input", { maxlength: 200, size: 24, autocomplete: "off" });
    this.form = el("form", { class: "stack", onsubmit: (event) => this.apply(event) }, this.holder,
      el("div", { class: "form" }, el("label", {}, "Why", this.reason), el("button", { class: "main" }, "Apply")));
    this.element = el("details", { class: "card editing" }, el("summary", {}, "Settings"), this.form);
  }

  async read() {
    const told = await get("settings", ofRun({ stream: this.stream })).catch(() => null);
    if (told === null) return;
    this.version = told.version;
    const groups = told.parts.filter((part) => part.knobs.length).map((part) => [
      part.id, part.knobs.map((knob) => new Field(part.id, knob)),
    ]);
    this.fields = groups.flatMap(([, fields]) => fields);
    fill(this.holder, groups.length
      ? groups.map(([id, fields]) => el("fieldset", { class: "form" }, el("legend", {}, id),
          fields.map((field) => field.element)))
      : el("p", { class: "quiet" }, "Nothing here may change while it runs."));
  }

  async apply(event) {
    event.preventDefault();
    const stages = {};
    for (const field of this.fields.filter((each) => each.changed)) {
      try {
        (stages[field.stage] ??= {})[field.name] = field.value;
      } catch {
        this.notice.say(`${field.stage}.${field.name}: this is not JSON`);
        return;
      }
    }
    if (!Object.keys(stages).length) {
      this.notice.say("nothing has been changed");
      return;
    }
    const asked = ofRun({ stages, streams: [this.stream], reason: this.reason.value, version: this.version });
    await this.notice.during(() => send("settings", asked));
    await this.read();
  }
}
