// What the run consists of, what crosses its links, what it costs.

import { get, ofRun } from "./api.js";
import { costOf, epochItem } from "./camera.js";
import { bytes, el, fill, number, time, write } from "./dom.js";

const cells = (tag, row) => el("tr", {}, row.map((cell) => el(tag, tag === "th" ? { scope: "col" } : {}, cell)));
const table = (head, rows, label) => el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
  el("table", {}, el("thead", {}, cells("th", head)), el("tbody", {}, rows.map((row) => cells("td", row)))));

// Stages in the order in which they are asked, then transforms.
function inOrder(told) {
  const order = Object.values(told.funnel.streams)[0]?.map((row) => row.id) ?? [];
  const place = (id) => (order.includes(id) ? order.indexOf(id) : order.length);
  return Object.entries(told.stages).sort(([one], [other]) => place(one) - place(other));
}

export function system(main) {
  const segments = el("div");
  const links = el("div");
  const deaths = el("p", { class: "small quiet" });
  const stages = el("div");
  const cost = el("p");
  const epochs = el("ul", { class: "epochs", tabindex: "0", "aria-label": "Changes of settings" });
  const card = (title, ...inner) => el("section", { class: "card" }, el("h2", {}, title), ...inner);
  fill(main, el("div", { class: "top" }, el("h1", {}, "System")),
    el("div", { class: "camera" },
      el("div", { class: "stack" }, card("Stages", cost, stages), card("Links", links), card("Segments", segments, deaths)),
      el("div", { class: "stack" }, card("Changes of settings", epochs))));
  let plan = null;
  get("plan", ofRun()).then((told) => {
    plan = told;
    fill(segments, table(["Segment", "Tier", "Stages"],
      told.segments.map((segment) => [segment.name, segment.tier, segment.stages.join(", ")]), "Segments"));
  }).catch((error) => fill(segments, el("p", { class: "quiet" }, error.message)));

  return {
    status(told) {
      fill(cost, costOf(told.funnel.cost));
      fill(stages, table(["Stage", "Asked", "Answered", "ms", "CPU ms", "Errors"],
        inOrder(told).map(([id, meter]) => [id, number(meter.asked), number(meter.answered),
          meter.wall_ms.toFixed(2), meter.cpu_ms.toFixed(2), number(meter.errors)]), "Stages"));
      const names = plan ? plan.links.map((link) => link.name) : Object.keys(told.links);
      fill(links, names.length ? table(["Link", "Frames", "Data"], names.map((name) => {
        const crossed = told.links[name] ?? { frames: 0, bytes: 0 };
        return [name, number(crossed.frames), bytes(crossed.bytes)];
      }), "Links") : el("p", { class: "quiet" }, "None: all stages stand in one segment."));
      const died = Object.entries(told.deaths ?? {}).filter(([, times]) => times.length);
      write(deaths, died.length ? died.map(([name, times]) =>
        `${name} has died ${times.length} ${times.length === 1 ? "time" : "times"}, last at ${time(times.at(-1))}`).join("; ")
        : "No process of the run has died.");
      if (epochs.childElementCount !== Math.max(1, told.epochs.length)) {
        fill(epochs, told.epochs.length ? told.epochs.toReversed().map((epoch) => epochItem(epoch, true))
          : el("li", { class: "quiet" }, "None: as the run began."));
      }
    },
    leave() {},
  };
}
