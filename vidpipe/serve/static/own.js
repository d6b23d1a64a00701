// Events of one's own: what has been marked, the questions that are open, and how to teach.

import { get, here, mediaAddress, send } from "./api.js";
import { day, el, fill, number, time } from "./dom.js";
import { markButtons, mayMark, taughtItems } from "./marks.js";

function pictureOf(question) {
  const gone = () => el("span", { class: "no-picture" }, "no picture");
  if (question.clip) {
    return el("video", { controls: true, preload: "none", src: mediaAddress("clip", question.id), "aria-label": "clip",
      poster: question.snapshot ? mediaAddress("picture", question.id) : null });
  }
  return question.snapshot ? el("img", { src: mediaAddress("picture", question.id), alt: "", loading: "lazy",
    onerror: (event) => event.target.replaceWith(gone()) }) : gone();
}

class OwnEvent {
  constructor(told, notice) {
    this.notice = notice;
    this.name = told.event;
    this.count = el("p", { class: "quiet small number" });
    this.rates = el("ul", { class: "taught" });
    this.questions = el("ul", { class: "epochs wrong", tabindex: "0", "aria-label": `Questions about ${told.event}` });
    this.marks = el("ul", { class: "list small" });
    this.more = el("details", {}, el("summary", {}, "What was marked"), this.marks);
    this.more.addEventListener("toggle", () => { if (this.more.open) this.showMarks(); });
    const command = `vidpipe teach ${told.event} --from STORE.db --results RESULTS.jsonl`;
    this.element = el("section", { class: "card stack" }, el("h2", {}, told.event), this.count, this.rates,
      el("h3", {}, "Was it?"), this.questions, this.more,
      el("p", { class: "small quiet" }, "Learn from all of this: ", el("code", {}, command)));
    this.tell(told);
  }

  tell(told) {
    this.count.textContent = `Marked: ${number(told.yes)} as it, ${number(told.no)} as not; ` +
      `${number(told.answered)} of these answer a question`;
    this.ask();
  }

  async ask() {
    const told = await this.notice.during(() => get("questions", { event: this.name }));
    if (!told) return;
    const none = el("li", { class: "quiet" }, "No question is open.");
    fill(this.questions, told.questions.length ? told.questions.map((each) => this.question(each)) : none);
  }

  question(asked) {
    const when = `${day(asked.time)}, ${time(asked.time)}`;
    return el("li", { class: "missed" }, pictureOf(asked),
      el("p", {}, el("b", {}, asked.stream), ` ${when}`),
      el("p", { class: "small quiet number" }, `${asked.said ? "told" : "not told"}, ` +
        `${asked.started_pts.toFixed(1)} to ${asked.ended_pts.toFixed(1)} s of the recording`),
      mayMark() ? markButtons(this.notice, () => ({ id: asked.id }), () => this.changed(), this.name) : "");
  }

  async showMarks() {
    const told = await this.notice.during(() => get("marks", { event: this.name, most: 200 }));
    if (!told) return;
    fill(this.marks, told.marks.map((mark) => el("li", {},
      el("span", {}, el("b", {}, mark.yes ? "is" : "is not"), ` ${mark.stream}, ${mark.began.toFixed(1)} to ${mark.ended.toFixed(1)} s`,
        el("span", { class: "quiet" }, ` of the run of ${mark.run}, by ${mark.by}`)),
      mayMark() ? el("button", { type: "button", class: "plain", "aria-label": `Take back ${mark.stream}, ${mark.began.toFixed(1)} s`,
        onclick: async () => { if (await this.notice.during(() => send("unmark", { mark: mark.id }))) this.changed(); } }, "Take back") : "")));
  }

  async changed() {
    const told = await this.notice.during(() => get("taught"));
    const own = told && told.find((each) => each.event === this.name);
    if (own) this.tell(own);
    else this.element.remove();
    if (this.more.open) this.showMarks();
  }

  // What the run says of it, camera by camera.
  status(streams) {
    const items = Object.entries(streams).flatMap(([stream, told]) => {
      const own = Object.entries(told.taught ?? {}).filter(([, rule]) => rule.event === this.name);
      return taughtItems(Object.fromEntries(own), (rule, event) => (rule === event ? stream : `${stream}, rule ${rule}`));
    });
    fill(this.rates, items);
  }
}

export function own(main, notice) {
  const holder = el("div", { class: "stack" });
  fill(main, el("div", { class: "top" }, el("h1", {}, "Own events")), holder);
  const hint = el("p", { class: "quiet" }, here.store
    ? "Nothing is marked yet. Name an event of your own in Reviews or at a camera, and say of a few dozen moments whether they are it."
    : "Nothing is kept: run with --store FILE.db.");
  let events = [];
  let known = "";
  fill(holder, hint);
  if (here.store) {
    notice.during(() => get("taught")).then((told) => {
      if (!told) return;
      events = told.map((each) => new OwnEvent(each, notice));
      known = "";
      fill(holder, events.length ? events.map((each) => each.element) : hint);
    });
  }
  return {
    status(told) {
      const taught = JSON.stringify(Object.entries(told.streams).map(([name, stream]) => [name, stream.taught]));
      if (taught === known) return;
      known = taught;
      for (const each of events) each.status(told.streams);
    },
    leave() {},
  };
}
