// All cameras at a glance: stills that become live while something is in view.

import { Live, ofRun } from "./api.js";
import { el, fill, span, stateClass, things, write } from "./dom.js";
import { Picture } from "./picture.js";

const FPS = 2;
const STILL_S = 4;

class Tile {
  constructor(name) {
    this.picture = new Picture(name, { small: true });
    this.live = el("span", { class: "live", hidden: true }, "live");
    this.picture.element.append(this.live);
    this.state = el("span", { class: "state" });
    this.seen = el("span");
    this.facts = el("p", { class: "facts" });
    const under = el("div", { class: "under" },
      el("div", { class: "name" }, el("h2", {}, name), this.state), el("p", { class: "small" }, this.seen), this.facts);
    const link = el("a", { href: `#/camera/${encodeURIComponent(name)}` }, this.picture.element, under);
    this.element = el("li", { class: "card tile" }, link);
  }

  show(told, blob) {
    this.picture.show(told, blob);
    this.live.hidden = !told.boxes.length;
  }

  tell(stream) {
    this.state.className = stateClass(stream.state);
    write(this.state, stream.state);
    write(this.seen, things(stream.seen));
    const rates = stream.health.fps;
    const facts = [
      rates ? `${rates.answered.toFixed(1)} of ${rates.received.toFixed(1)} a second` : `${stream.frames_in} frames`,
      stream.look_age_s === null ? "never looked at" : `looked at ${span(stream.look_age_s)} ago`,
      stream.answered_by ? `by ${stream.answered_by}` : "",
    ].filter(Boolean);
    fill(this.facts, facts.map((fact) => el("span", {}, fact)));
    this.element.title = stream.detail;
  }
}

export function wall(main) {
  const list = el("ul", { class: "wall" });
  const tiles = new Map();
  const inSight = new Set();
  const count = el("span", { class: "quiet" });
  let [live, asked, waiting] = [null, "", null];
  fill(main, el("div", { class: "top" }, el("h1", {}, "Cameras"), count), list);

  // Only what is in sight is asked for: a hundred cameras cost no more than those on the screen.
  const sight = new IntersectionObserver((changes) => {
    for (const change of changes) {
      if (change.isIntersecting) inSight.add(change.target);
      else inSight.delete(change.target);
    }
    clearTimeout(waiting);
    waiting = setTimeout(look, live ? 300 : 0);
  }, { rootMargin: "100px" });

  function look() {
    const names = document.hidden ? [] : [...tiles].filter(([, tile]) => inSight.has(tile.element)).map(([name]) => name);
    if (JSON.stringify(names) === asked) return;
    asked = JSON.stringify(names);
    live?.close();
    live = null;
    if (!names.length) return;
    const query = ofRun({ stream: names, fps: FPS, still_s: STILL_S, width: 480 });
    live = new Live(query, (told, blob) => tiles.get(told.stream)?.show(told, blob), (error) => {
      for (const tile of tiles.values()) write(tile.picture.none, error.message);
    });
  }
  document.addEventListener("visibilitychange", look);

  return {
    status(told) {
      const names = Object.keys(told.streams);
      if (names.length !== tiles.size || names.some((name) => !tiles.has(name))) {
        for (const [name, tile] of [...tiles].filter(([each]) => !names.includes(each))) {
          sight.unobserve(tile.element);
          inSight.delete(tile.element);
          tiles.delete(name);
        }
        for (const name of names.filter((each) => !tiles.has(each))) {
          const tile = new Tile(name);
          tiles.set(name, tile);
          sight.observe(tile.element);
        }
        fill(list, names.map((name) => tiles.get(name).element));
      }
      for (const name of names) tiles.get(name).tell(told.streams[name]);
      const good = names.filter((name) => ["live", "running"].includes(told.streams[name].state)).length;
      write(count, names.length ? `${good} of ${names.length} live` : "no cameras");
    },
    leave() {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(waiting);
      sight.disconnect();
      live?.close();
    },
  };
}
