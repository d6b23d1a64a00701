// What the run stands on and consists of, what crosses its links, what it costs.

import { get, here, ofRun } from "./api.js";
import { costOf, epochItem } from "./camera.js";
import { bytes, el, fill, number, percent, span, stateClass, Table, time, write } from "./dom.js";
import { ways } from "./ways.js";

const NAMES = 4; // of cameras in a cell

// Stages in the order in which they are asked, then transforms.
function inOrder(told) {
  const order = Object.values(told.funnel.streams)[0]?.map((row) => row.id) ?? [];
  const place = (id) => (order.includes(id) ? order.indexOf(id) : order.length);
  return Object.entries(told.stages).sort(([one], [other]) => place(one) - place(other));
}

const known = (value, text) => (value === null || value === undefined ? "" : text(value));

function machineRow(machine) {
  const state = machine.away_since === null ? ["there", stateClass("live")]
    : [`away since ${time(machine.away_since)}`, stateClass("offline")];
  const gpus = machine.gpus ? `${machine.gpus}, ${machine.free_gpus} free` : "none";
  const memory = known(machine.memory_bytes, (all) => `${bytes(machine.memory_used_bytes)} of ${bytes(all)}`);
  return [machine.name, state, machine.site, machine.tiers.join(", ") || "none",
    known(machine.cpu, (share) => `${percent(share)} of ${machine.cores}`), memory, gpus];
}

const PROCESS_STATES = { running: "live", starting: "opening", silent: "stalled", away: "offline" };

function processRow(process) {
  const streams = process.streams.slice(0, NAMES).join(", ");
  const more = process.streams.length - NAMES;
  const where = process.pid === null ? process.machine : `${process.machine}, ${process.pid}`;
  return [process.name, process.kind, [process.state, stateClass(PROCESS_STATES[process.state])], process.tier, where,
    more > 0 ? `${streams} and ${more} more` : streams, number(process.deaths),
    known(process.silent_s, (seconds) => `${span(seconds)} ago`), span(process.cpu_s), known(process.memory_bytes, bytes)];
}

function linkRow(name, crossed) {
  const breakers = Object.entries(crossed.breakers ?? {});
  const shut = breakers.some(([state]) => state !== "closed");
  const state = breakers.map(([state, count]) => (breakers.length > 1 || count > 1 ? `${count} ${state}` : state)).join(", ");
  return [name, number(crossed.frames), bytes(crossed.bytes), known(crossed.crossing_ms, (ms) => `${ms.toFixed(1)} ms`),
    known(crossed.waiting, number), state ? [state, stateClass(shut ? "offline" : "live")] : "in one process"];
}

export function system(main) {
  const machines = new Table("Machines", ["Machine", "State", "Site", "Tiers", "CPU", "Memory", "GPU"]);
  const processes = new Table("Processes",
    ["Process", "Kind", "State", "Tier", "Machine, number", "Cameras", "Died", "Last word", "CPU", "Memory"]);
  const segments = new Table("Segments", ["Segment", "Tier", "Stages"]);
  const links = new Table("Links", ["Link", "Frames", "Data", "Crossing", "Waiting", "Breaker"]);
  const models = new Table("Models", ["Model", "Pictures", "ms", "CPU ms"]);
  const stages = new Table("Stages", ["Stage", "Asked", "Answered", "ms", "CPU ms", "Errors"]);
  const noLinks = el("p", { class: "quiet", hidden: true }, "None: all stages stand in one segment.");
  const noModels = el("p", { class: "quiet", hidden: true }, "None has been asked yet.");
  const noSegments = el("p", { class: "quiet", hidden: true });
  const ended = el("p", { class: "quiet", hidden: true }, "The run does not go on.");
  const deaths = el("p", { class: "small quiet" });
  const cost = el("p");
  const epochs = el("ul", { class: "epochs", tabindex: "0", "aria-label": "Changes of settings" });
  const card = (title, ...inner) => el("section", { class: "card" }, el("h2", {}, title), ...inner);
  fill(main, el("div", { class: "top" }, el("h1", {}, "System")),
    el("div", { class: "stack" },
      card("Machines", ended, machines.element), card("Processes", processes.element, deaths),
      el("div", { class: "camera" },
        el("div", { class: "stack" }, card("Stages", cost, stages.element), card("Links", noLinks, links.element),
          card("Segments", noSegments, segments.element)),
        el("div", { class: "stack" }, card("Models", noModels, models.element), card("Changes of settings", epochs))),
      here.store ? ways() : ""));
  let plan = null;
  get("plan", ofRun()).then((told) => {
    plan = told;
    segments.show(told.segments.map((segment) => [segment.name, segment.tier, segment.stages.join(", ")]));
  }).catch((error) => {
    segments.element.hidden = true;
    noSegments.hidden = false;
    write(noSegments, error.message);
  });

  function showOrSay(table, rows, none) {
    table.show(rows);
    table.element.hidden = !rows.length;
    none.hidden = rows.length > 0;
  }

  return {
    status(told) {
      showOrSay(machines, (told.machines ?? []).map(machineRow), ended);
      processes.show((told.processes ?? []).map(processRow));
      fill(cost, costOf(told.funnel.cost));
      stages.show(inOrder(told).map(([id, meter]) => [id, number(meter.asked), number(meter.answered),
        meter.wall_ms.toFixed(2), meter.cpu_ms.toFixed(2), number(meter.errors)]));
      const names = plan ? plan.links.map((link) => link.name) : Object.keys(told.links);
      showOrSay(links, names.map((name) => linkRow(name, told.links[name] ?? { frames: 0, bytes: 0 })), noLinks);
      showOrSay(models, Object.entries(told.models ?? {}).map(([name, asked]) =>
        [name, number(asked.calls), asked.wall_ms.toFixed(2), asked.cpu_ms.toFixed(2)]), noModels);
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
