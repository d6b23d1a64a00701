// A picture of a stream, with the boxes of the same frame drawn over it, and its zones and lines.

import { el, fill, percent, svg } from "./dom.js";

const COLOURS = ["#5be0a4", "#ffc04d", "#63cdfa", "#ff7bb0", "#c6f36a", "#ff9080", "#d2a4ff"];

// The same for a class on every page and in every run.
export function colourOf(name) {
  let hash = 2166136261; // FNV-1a: names that differ in a letter get other colours
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0), 16777619) >>> 0;
  return COLOURS[(hash >>> 8) % COLOURS.length];
}

// A picture that stays as it is, with the boxes that come with it; it is fetched once it is near the screen.
export function still(address, name) {
  const picture = new Picture(name);
  const sight = new IntersectionObserver(async ([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    sight.disconnect();
    const answer = await fetch(address).catch(() => null);
    if (!answer?.ok) return;
    const { size, boxes } = JSON.parse(answer.headers.get("X-Vidpipe-Boxes"));
    picture.show({ size, boxes, how: "measured" }, await answer.blob());
  });
  sight.observe(picture.element);
  return picture.element;
}

export class Picture {
  constructor(name, { small = false } = {}) {
    this.small = small;
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.places = svg("g");
    this.boxes = svg("g");
    this.drawn = svg("g");
    this.over = svg("svg", { role: "img", "aria-label": `picture of ${name}`, preserveAspectRatio: "xMidYMid meet" });
    this.over.append(this.places, this.boxes, this.drawn);
    this.none = el("p", { class: "none small" }, "no picture yet");
    this.element = el("div", { class: "picture" }, this.canvas, this.over, this.none);
    this.size = null;
    this.told = null;
    this.playing = false; // video is shown, which draws the boxes itself
    this.zones = {};
    this.lines = {};
  }

  // Decoding takes a moment: whatever is newer by then is shown in its place, so a picture never goes back.
  async show(told, blob) {
    if (this.playing) return;
    this.latest = told;
    const bitmap = await createImageBitmap(blob).catch(() => null);
    if (bitmap === null) return;
    if (this.latest !== told) {
      bitmap.close();
      return;
    }
    if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
    }
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    this.none.hidden = true;
    this.told = told;
    this.resize(told.size);
    this.draw(told);
  }

  resize([width, height]) {
    if (this.size && this.size[0] === width && this.size[1] === height) return;
    this.size = [width, height];
    this.over.setAttribute("viewBox", `0 0 ${width} ${height}`);
    if (!this.small) this.element.style.aspectRatio = `${width} / ${height}`;
    this.showPlaces(this.zones, this.lines);
  }

  draw(told) {
    const text = Math.max(9, told.size[0] / 60);
    fill(
      this.boxes,
      told.boxes.flatMap(([x0, y0, x1, y1, name, score]) => {
        const colour = colourOf(name);
        const box = svg("rect", {
          class: `box ${told.how}`, x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 2, stroke: colour,
        });
        if (this.small) return [box];
        const what = [name, score === null ? "" : percent(score)].join(" ");
        const place = { x: x0, y: Math.max(text, y0 - text / 3), "font-size": text, "stroke-width": text / 4 };
        return [box, svg("text", { class: "label", fill: colour, ...place }, what.trim())];
      }),
    );
  }

  showPlaces(zones, lines) {
    this.zones = zones;
    this.lines = lines;
    if (!this.size) return;
    const [width, height] = this.size;
    const text = Math.max(9, width / 52);
    const at = (points) => points.map(([x, y]) => `${x * width},${y * height}`).join(" ");
    const named = (name, [x, y]) =>
      svg("text", { class: "label", fill: "#fff", x: x * width + 4, y: y * height - 4, "font-size": text,
        "stroke-width": text / 4 }, name);
    fill(
      this.places,
      Object.entries(zones).flatMap(([name, points]) => [
        svg("polygon", { class: "zone", points: at(points) }), named(name, points[0]),
      ]),
      Object.entries(lines).flatMap(([name, points]) => [
        svg("polyline", { class: "line", points: at(points) }), named(name, points[0]),
      ]),
    );
  }

  showDrawn(kind, points) {
    if (!this.size) return;
    const [width, height] = this.size;
    const shape = kind === "zone" && points.length > 2 ? "polygon" : "polyline";
    const at = points.map(([x, y]) => `${x * width},${y * height}`).join(" ");
    const dots = points.map(([x, y]) => svg("circle", { class: "drawn", cx: x * width, cy: y * height, r: width / 160 }));
    fill(this.drawn, points.length ? [svg(shape, { class: "drawn", points: at }), ...dots] : []);
  }

  // Where in the picture somebody points, in parts of its width and height.
  place(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.over.getScreenCTM().inverse());
    const within = (value) => Math.round(1000 * Math.min(1, Math.max(0, value))) / 1000;
    return [within(point.x / this.size[0]), within(point.y / this.size[1])];
  }
}
