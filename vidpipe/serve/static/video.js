// What a camera sends, as it is, with the boxes of the very picture that is shown.

import { Records, ofRun } from "./api.js";
import { el } from "./dom.js";

const PATIENCE_MS = 4000; // until it plays, before pictures are shown in its place
const BEHIND_S = 1.5; // of what has come, beyond which it jumps forward
const KEPT_S = 20;

export class Video {
  // `answered` is given each answer when its picture is shown; `fail` why there is no video, for people.
  constructor(name, picture, answered, fail) {
    this.picture = picture;
    this.answered = answered;
    this.fail = fail;
    this.answers = [];
    this.queue = [];
    this.base = 0;
    this.element = el("video", { muted: true, playsinline: true, "aria-hidden": "true", tabindex: "-1" });
    this.element.muted = true;
    this.picture.element.prepend(this.element);
    this.element.addEventListener("error", () => this.give("the browser does not play it"));
    this.patience = setTimeout(() => this.give("no video has come"), PATIENCE_MS);
    this.records = new Records("video", ofRun({ stream: name }), (told, mp4) => this.take(told, mp4), (error) => this.give(error.message));
  }

  give(why) {
    if (this.closed) return;
    this.close();
    this.fail(why);
  }

  close() {
    this.closed = true;
    clearTimeout(this.patience);
    this.records.close();
    this.element.remove();
    if (this.element.src) URL.revokeObjectURL(this.element.src);
  }

  take(told, mp4) {
    if (this.closed) return;
    if (told.none !== undefined) return this.give(told.none);
    if (told.begins) this.begin(told.begins);
    if (mp4.length) {
      this.queue.push(mp4);
      this.append();
    } else if (told.pts !== undefined) {
      this.answers.push(told);
      if (this.answers.length > 600) this.answers.shift();
    }
  }

  begin({ mime, base }) {
    if (!window.MediaSource || !MediaSource.isTypeSupported(mime) || !this.element.requestVideoFrameCallback) {
      this.give("the browser does not play it");
      return;
    }
    this.base = base;
    this.queue = [];
    this.buffer = null;
    if (this.element.src) URL.revokeObjectURL(this.element.src);
    const source = new MediaSource();
    this.element.src = URL.createObjectURL(source);
    source.addEventListener("sourceopen", () => {
      if (this.closed || source.readyState !== "open") return;
      this.buffer = source.addSourceBuffer(mime);
      this.buffer.addEventListener("updateend", () => this.append());
      this.append();
    }, { once: true });
    if (!this.looking) this.look();
  }

  append() {
    if (!this.buffer || this.buffer.updating || this.closed) return;
    const range = this.buffer.buffered;
    const { currentTime } = this.element;
    try {
      if (this.queue.length) this.buffer.appendBuffer(this.queue.shift());
      else if (range.length && range.start(0) < currentTime - KEPT_S) this.buffer.remove(0, currentTime - KEPT_S / 2);
    } catch {
      return this.give("the browser does not play it");
    }
    if (!range.length) return;
    const end = range.end(range.length - 1);
    if (end - currentTime > BEHIND_S || this.element.paused) {
      this.element.currentTime = Math.max(range.start(range.length - 1), end - 0.2);
      this.element.play().catch(() => {});
    }
  }

  // Draws the boxes of each picture as that is shown.
  look() {
    this.looking = true;
    this.element.requestVideoFrameCallback((_, { mediaTime }) => {
      if (this.closed) return;
      clearTimeout(this.patience);
      this.picture.playing = true;
      this.picture.none.hidden = true;
      const pts = this.base + mediaTime;
      while (this.answers.length > 1 && this.answers[1].pts <= pts + 0.002) this.answers.shift();
      const [told] = this.answers;
      if (told && told.pts <= pts + 0.002 && told !== this.told) {
        this.told = told;
        if (told.size) this.picture.resize(told.size);
        if (this.picture.size) this.picture.draw({ ...told, size: this.picture.size });
        this.answered(told);
      }
      this.look();
    });
  }
}
