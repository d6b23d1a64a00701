// What happened, by day: spans of time with their pictures, events and clips.

import { get, here, mediaAddress } from "./api.js";
import { Blocks } from "./blocks.js";
import { day, el, fill, percent, span, time, write } from "./dom.js";
import { eventField, markButtons, mayMark } from "./marks.js";

const TOGETHER = 12; // reviews that come into the document in one frame: whole rows of two, three or four

const KINDS = {
  "zone.enter": "entered", "zone.exit": "left", "line.cross": "crossed", dwell: "stayed", "zone.dwell": "stayed",
  learnt: "was", "learnt.review": "asks about", "learnt.unknown": "knows nothing of",
};

// With `notice` it may be marked as an event of one's own.
function eventItem(event, notice) {
  const where = event.zone ?? event.line ?? event.event ?? "";
  const way = event.direction ? ` (${event.direction})` : "";
  const length = event.lasted_s === null ? "" : `, ${span(event.lasted_s)}`;
  return el("li", {}, el("span", {}, el("span", { class: "number" }, time(event.time)), ` ${event.class ?? ""} `,
    KINDS[event.kind] ?? event.kind, ` ${where}${way}${length}`),
    event.likeness === undefined ? "" : el("span", { class: "quiet small number" }, `${percent(event.likeness)} alike`),
    event.further.length ? el("span", { class: "small" }, `then on ${event.further.join(", ")}`) : "",
    event.track_id === null ? "" : el("a", { class: "by", href: `#/reviews?alike=${encodeURIComponent(event.id)}` }, "Alike"),
    el("span", { class: "quiet small by" }, event.by ? `by ${event.by}` : ""), notice ? marking(event, notice) : "");
}

function marking(event, notice) {
  const said = el("span", { class: "quiet small", role: "status" });
  const done = (yes) => write(said, yes ? "it is" : "it is not");
  return el("span", { class: "marking" }, said, markButtons(notice, () => ({ id: event.id }), done));
}

// Objects that look like that of one event, over all cameras, most alike first.
function alike(main, id, notice) {
  const list = el("ul", { class: "reviews" });
  fill(main, el("div", { class: "top" }, el("h1", {}, "Alike"), el("a", { href: "#/reviews" }, "All reviews")), list);
  notice.during(() => get("alike", { id })).then((told) => {
    if (!told) return;
    fill(list, told.events.length ? told.events.map((event) => el("li", { class: "card review alike" },
      event.snapshot ? el("img", { src: mediaAddress("picture", event.id), alt: `${event.class ?? "object"} at ${event.stream}`,
        loading: "lazy", width: 112, height: 112 }) : el("span", { class: "no-picture" }, "no picture"),
      el("ul", { class: "list small" }, el("li", {}, el("b", {}, event.stream), day(event.time)), eventItem(event))))
      : el("li", { class: "quiet" }, "Nothing else has been described."));
  });
  return { status() {}, leave() {} };
}

// What a browser's search finds of a review that is not in the document.
const text = (review) => [review.stream, ...review.further, time(review.began), ...review.classes, review.severity === "alert" ? "alert" : "",
  ...review.kinds.map((kind) => KINDS[kind] ?? kind)].filter(Boolean).join(" ");

class Review {
  constructor(review, notice) {
    this.review = review;
    this.notice = notice;
    const picture = review.picture === null ? el("span", { class: "no-picture" }, "no picture")
      : el("img", { src: mediaAddress("picture", review.picture), alt: "", loading: "lazy", width: 112, height: 112,
          onerror: (event) => event.target.replaceWith(el("span", { class: "no-picture" }, "no picture")) });
    const what = el("span", { class: "what" },
      el("b", {}, review.stream),
      el("span", { class: "number" }, `${time(review.began)}, ${span(Math.max(1, review.ended - review.began))}`),
      el("span", {}, review.classes.join(", "), review.severity === "alert" ? el("span", { class: "alert" }, " alert") : ""),
      el("span", { class: "quiet small" }, `${review.events} event${review.events === 1 ? "" : "s"}: `,
        review.kinds.map((kind) => KINDS[kind] ?? kind).join(", ")),
      review.further.length ? el("span", { class: "small" }, `then on ${review.further.join(", ")}`) : "");
    this.more = el("div", { class: "more", hidden: true });
    this.button = el("button", { type: "button", "aria-expanded": "false", onclick: () => this.toggle() }, picture, what);
    this.element = el("li", { class: "card review" }, this.button, this.more);
  }

  async toggle() {
    this.more.hidden = !this.more.hidden;
    this.button.setAttribute("aria-expanded", String(!this.more.hidden));
    if (this.more.hidden || this.more.childElementCount) return;
    const told = await this.notice.during(() => get("events", { review: this.review.id, most: 100 }));
    if (!told) return;
    const events = told.events.toReversed();
    const clip = events.find((event) => event.clip);
    const gone = el("p", { class: "quiet small", hidden: true }, "The clip is not there yet, no more, or not of a kind that browsers play. ",
      clip ? el("a", { href: mediaAddress("clip", clip.id), download: true }, "Save it") : "");
    fill(this.more,
      clip ? el("video", { controls: true, preload: "metadata", src: mediaAddress("clip", clip.id),
        "aria-label": "clip", onerror: (event) => { event.target.hidden = true; gone.hidden = false; } }) : "", gone,
      el("ul", { class: "list small" }, events.map((event) => eventItem(event, mayMark() && this.notice))));
  }
}

export function reviews(main, asked, notice) {
  if (asked.alike) return alike(main, asked.alike, notice);
  const holder = el("div");
  const more = el("button", { type: "button", hidden: true, onclick: () => load() }, "Earlier ones");
  const input = (label, attributes) => {
    const made = el("input", { autocomplete: "off", ...attributes });
    return [made, el("label", {}, label, made)];
  };
  const [date, dateLabel] = input("Day", { type: "date", value: asked.day ?? "" });
  const [stream, streamLabel] = input("Camera", { size: 14, value: asked.stream ?? "", list: "cameras" });
  const names = el("datalist", { id: "cameras" });
  const severity = el("select", {}, el("option", { value: "" }, "all"), el("option", { value: "alert" }, "alerts"),
    el("option", { value: "notice" }, "notices"));
  const filters = el("form", { class: "form", onsubmit: (event) => { event.preventDefault(); begin(); } },
    dateLabel, streamLabel, names, el("label", {}, "Severity", severity), el("button", {}, "Show"),
    mayMark() ? eventField((name) => holder.classList.toggle("named", name !== "")) : "");
  fill(main, el("div", { class: "top" }, el("h1", {}, "Reviews"), el("span", { class: "push" }), filters), holder, more);
  let next = null;
  let lastDay = "";
  const blocks = new Blocks((review) => new Review(review, notice).element, text);

  function times() {
    if (!date.value) return {};
    const start = new Date(`${date.value}T00:00`);
    const end = new Date(start);
    end.setDate(end.getDate() + 1);
    return { since: start / 1000, until: end / 1000 };
  }

  async function begin() {
    blocks.clear();
    fill(holder);
    next = null;
    lastDay = "";
    await load();
  }

  async function load() {
    if (!here.store) {
      fill(holder, el("p", { class: "quiet" }, "Nothing is kept: run with ",
        el("code", { class: "whole" }, "--store FILE.db"), ", and ", el("code", { class: "whole" }, "--media DIR"), " for pictures."));
      return;
    }
    const bounds = times();
    const query = { ...bounds, until: next ?? bounds.until, stream: stream.value, severity: severity.value, most: 60 };
    const told = await notice.during(() => get("reviews", query));
    more.disabled = false;
    if (!told) return;
    // What only joins the alarm of another camera is listed there, unless this camera is asked for.
    const own = told.reviews.filter((review) => review.joins === null || stream.value);
    for (let at = 0; at < own.length;) {
      const first = own[at];
      const today = day(first.began);
      if (today !== lastDay) holder.append(el("h2", {}, today));
      lastDay = today;
      const together = own.slice(at, at + TOGETHER);
      const until = together.findIndex((review) => day(review.began) !== today);
      const shown = until < 0 ? together : together.slice(0, until);
      blocks.put(holder, shown, `Reviews from ${time(shown.at(-1).began)} to ${time(first.began)}`);
      at += shown.length;
    }
    if (!holder.childElementCount) fill(holder, el("p", { class: "quiet" }, "Nothing happened then."));
    next = told.next;
    more.hidden = next === null;
    near.unobserve(more);
    near.observe(more); // anew, as it may be in sight still
  }

  // Who scrolls need not click: what comes next is there before they are.
  const near = new IntersectionObserver(([{ isIntersecting }]) => {
    if (!isIntersecting || more.hidden || more.disabled) return;
    more.disabled = true;
    load();
  }, { rootMargin: "1500px" });

  begin();
  return {
    status(told) {
      const known = Object.keys(told.streams);
      if (names.childElementCount !== known.length) fill(names, known.map((name) => el("option", { value: name })));
    },
    leave() {
      near.disconnect();
      blocks.clear();
    },
  };
}
