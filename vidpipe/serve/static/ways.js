// The camera graph of a store as a map: who leaves a camera is seen next on these, after so long.

import { get } from "./api.js";
import { el, fill, percent, svg, Table, write } from "./dom.js";

const SIDE = 360; // of the map, in its own units
const ROUND = 125; // radius on which cameras stand
const DOT = 9;
const BEND = 0.3; // of a way's length: both directions are apart
const LABELS = 14; // ways; more of them would cover each other, and the table says it all
const NAME = 24; // letters
const LONG = 12; // letters from which on a name is set as wide as it is taken to be
const LETTER = 8;

// The middle of a text that shall stand at x, with all its letters on the map.
function inside(x, text) {
  const half = text.length * LETTER / 2;
  return Math.max(half, Math.min(SIDE - half, x));
}

const takes = (path) => `${Math.round(path.earliest_s)} to ${Math.round(path.latest_s)} s`;

// Each camera beside the one that most go on to, so that few ways cross.
function inOrder(cameras, paths) {
  const left = new Set(cameras);
  const ordered = [];
  const next = (from) => paths.filter((path) => path.from === from && left.has(path.to)).sort((a, b) => b.count - a.count)[0]?.to;
  while (left.size) {
    const busiest = [...left].sort((a, b) => leaving(b, paths) - leaving(a, paths))[0];
    const camera = next(ordered.at(-1)) ?? busiest;
    left.delete(camera);
    ordered.push(camera);
  }
  return ordered;
}

const leaving = (camera, paths) => paths.filter((path) => path.from === camera).reduce((sum, path) => sum + path.count, 0);

function places(cameras) {
  return new Map(cameras.map((camera, at) => {
    const angle = 2 * Math.PI * at / cameras.length - Math.PI / 2;
    const out = { x: Math.cos(angle), y: Math.sin(angle) };
    return [camera, { x: SIDE / 2 + ROUND * out.x, y: SIDE / 2 + ROUND * out.y, out }];
  }));
}

// A curve from one camera to another, or a loop; where its label stands.
function curve(from, to) {
  if (from === to) {
    const far = { x: from.x + 46 * from.out.x, y: from.y + 46 * from.out.y };
    const side = { x: -30 * from.out.y, y: 30 * from.out.x };
    const d = `M ${from.x} ${from.y} C ${far.x + side.x} ${far.y + side.y} ${far.x - side.x} ${far.y - side.y} ` +
      `${from.x + DOT * from.out.x} ${from.y + DOT * from.out.y}`;
    return { d, x: far.x, y: far.y };
  }
  const bend = { x: (from.x + to.x) / 2 - BEND * (to.y - from.y), y: (from.y + to.y) / 2 + BEND * (to.x - from.x) };
  const last = Math.hypot(to.x - bend.x, to.y - bend.y);
  const end = { x: to.x - (DOT + 3) * (to.x - bend.x) / last, y: to.y - (DOT + 3) * (to.y - bend.y) / last };
  return {
    d: `M ${from.x} ${from.y} Q ${bend.x} ${bend.y} ${end.x} ${end.y}`,
    x: (from.x + 2 * bend.x + to.x) / 4, y: (from.y + 2 * bend.y + to.y) / 4,
  };
}

function map(cameras, paths) {
  const at = places(inOrder(cameras, paths));
  const picture = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "ways", role: "img",
    "aria-label": `Map of ${cameras.length} cameras and ${paths.length} ways between them; the table has the same` });
  const head = svg("marker", { id: "way-head", viewBox: "0 0 10 10", refX: 8, refY: 5, markerWidth: 9, markerHeight: 9,
    markerUnits: "userSpaceOnUse", orient: "auto" });
  head.append(svg("path", { d: "M 0 0 L 10 5 L 0 10 z" }));
  const lines = svg("g");
  const labels = svg("g");
  for (const path of paths) {
    const { d, x, y } = curve(at.get(path.from), at.get(path.to));
    lines.append(svg("path", { d, class: "way", "stroke-width": (1 + 5 * path.share).toFixed(1), "marker-end": "url(#way-head)" }));
    if (paths.length > LABELS) continue;
    const middle = inside(x, takes(path));
    labels.append(svg("text", { x: middle, y: y - 2, class: "share" }, percent(path.share)));
    labels.append(svg("text", { x: middle, y: y + 11 }, takes(path)));
  }
  const known = new Set(paths.flatMap((path) => [path.from, path.to]));
  for (const [camera, { x, y, out }] of at) {
    labels.append(svg("circle", { cx: x, cy: y, r: DOT, class: known.has(camera) ? "camera-dot" : "camera-dot unknown" }));
    const name = camera.length > NAME ? `${camera.slice(0, NAME - 1)}…` : camera;
    labels.append(svg("text", { x: inside(x, name), y: y + (out.y < 0 ? -DOT - 7 : DOT + 17), class: "name",
      ...(name.length > LONG ? { textLength: name.length * LETTER, lengthAdjust: "spacingAndGlyphs" } : {}) }, name));
  }
  const definitions = svg("defs");
  definitions.append(head);
  picture.append(definitions, lines, labels);
  return picture;
}

function said(told) {
  const lines = [...told.clocks];
  if (told.unclear) lines.push(`${told.unclear} tracks look like two subjects, and are not counted.`);
  return lines.map((line) => el("p", { class: "small quiet" }, line));
}

// A card with the map and its table, which fills itself.
export function ways() {
  const table = new Table("Ways between cameras", ["From", "To", "Share", "95 %", "Seen", "Takes"]);
  const shown = el("div", { class: "stack" }, el("p", { class: "quiet" }, "Loading…"));
  get("cameras/graph").then((told) => {
    if (!told.paths.length) {
      fill(shown, el("p", { class: "quiet" }, "Nobody was seen on two cameras: boxes must be described (transform describe)."),
        said(told));
      return;
    }
    table.show(told.paths.map((path) => [path.from, path.to, percent(path.share),
      `${percent(path.low)} to ${percent(path.high)}`, String(path.count), takes(path)]));
    fill(shown, map(told.cameras, told.paths), said(told), table.element);
  }).catch((error) => write(shown.firstChild, error.message));
  return el("section", { class: "card" }, el("h2", {}, "Ways between cameras"), shown);
}
