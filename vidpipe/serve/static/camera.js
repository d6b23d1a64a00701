// One camera: its picture, who answers, how right that is, and what may be changed.

import { Live, get, here, mediaOf, ofRun, send } from "./api.js";
import { el, fill, number, span, stateClass, things, time, write } from "./dom.js";
import { Funnel } from "./funnel.js";
import { Marking } from "./marks.js";
import { Picture, still } from "./picture.js";
import { Settings } from "./settings.js";
import { Video } from "./video.js";
import { Zones } from "./zones.js";

const WANT = { boxes: "of boxes", presence: "of which classes are there", count: "of how many there are" };

function accuracy(told) {
  if (told.f1 === null) return "not known yet: no audit or look of the last stage tells";
  return `${told.f1.toFixed(3)} ${WANT[told.want]} (95 %: ${told.low.toFixed(3)} to ${told.high.toFixed(3)})`;
}

function floor(told) {
  if (told.floor === null) return "none asked for";
  if (told.held === null) return `${told.floor} asked for, not known whether it is held`;
  const word = told.held ? "held" : "not held";
  return `${told.floor} asked for: ${told.sure ? "" : "probably "}${word}`;
}

function looks(stream) {
  if (stream.look_age_s === null) return "never";
  const { looked, looked_late: late } = stream.accuracy;
  return `${span(stream.look_age_s)} ago; the last stage at ${number(looked)} frames in time` +
    (late ? `, at ${number(late)} too late to be published` : "");
}

function facts(stream, cost) {
  const health = stream.health;
  const rows = [
    ["Accuracy, F1", accuracy(stream.accuracy)],
    ["Floor", floor(stream.accuracy)],
    ["Frames", `${number(stream.frames_in)}; ${number(stream.accuracy.unmeasured)} of them unmeasured`],
    ["Looked at", looks(stream)],
  ];
  if (health.fps) {
    const fps = health.fps;
    rows.push(["Rate", `${fps.received.toFixed(1)} received, ${fps.answered.toFixed(1)} answered a second`]);
    if (health.last_frame_age_s !== null) rows.push(["Newest frame", `${span(health.last_frame_age_s)} old`]);
    rows.push(["Lost", `${number(stream.lost)} frames that nobody had time for`]);
    rows.push(["Connection", [`${health.reconnects} reconnects`, `${health.stalls} stalls`, health.codec].filter(Boolean).join(", ")]);
  }
  rows.push(["Cost, all cameras", costOf(cost)]);
  return rows;
}

export function costOf(cost) {
  if (cost.all_frames_cpu_s === null) return `${cost.cpu_s} CPU s of stages so far`;
  const much = cost.times_less >= 1 ? `${cost.times_less} times less` : `${(1 / cost.times_less).toFixed(2)} times more`;
  return `${cost.cpu_s.toFixed(1)} CPU s of stages: ${much} than the last stage on every frame ` +
    `(${cost.all_frames_cpu_s.toFixed(1)})`;
}

export function epochItem(epoch, withStreams) {
  const changes = Object.entries(epoch.changes).flatMap(([stage, fields]) =>
    Object.entries(fields).map(([field, value]) => `${stage}.${field}=${JSON.stringify(value)}`));
  const long = changes.join(" ");
  return el("li", {},
    el("p", {}, el("b", {}, `Epoch ${epoch.epoch}`), ` at ${time(epoch.at)}, by ${epoch.by}`,
      withStreams ? el("span", { class: "quiet" }, ` of ${epoch.streams.join(", ")}`) : ""),
    epoch.reason ? el("p", { class: "small" }, epoch.reason) : "",
    el("code", { class: "quiet" }, long.length > 240 ? `${long.slice(0, 240)}…` : long));
}

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// An audit that found an answer wrong, with what may be done about it: trust the stage less, or the last stage.
function wrongItem(audit, stream, admin, act) {
  const what = [audit.missed ? "missed something" : "", audit.false ? "saw what is not there" : ""].filter(Boolean);
  const when = audit.at === null ? span(audit.pts) : time(audit.at);
  const seen = audit.seen === null ? "" : ` The last stage saw ${things(audit.seen)}.`;
  const step = Object.entries(audit.loosened).map(([name, value]) => `${name} to ${written(value)}`).join(", ");
  const told = { stream, stage: audit.stage };
  const buttons = !admin ? [] : [
    step ? el("button", { type: "button", onclick: () => act("loosen", told) }, `Loosen ${audit.stage}: ${step}`) : "",
    audit.relabelled_by ? "" : el("button", { type: "button", onclick: () => act("relabel", { ...told, seq: audit.seq }) },
      "The last stage was wrong here"),
  ];
  return el("li", { class: "missed" },
    audit.picture ? still(mediaOf("missed/picture", { stream, seq: audit.seq }), `frame ${audit.seq}`) : "",
    el("p", {}, el("b", {}, audit.stage), ` ${what.join(", ")}`),
    el("p", { class: "small quiet number" },
      `Frame ${audit.seq}, ${when}: it said ${audit.said} boxes, ` +
      `the last stage ${audit.found}; ${audit.same_boxes} are the same.${seen}`),
    audit.relabelled_by ? el("p", { class: "small" }, `Left out of the miss rate: the last stage was wrong, says ${audit.relabelled_by}.`) : "",
    el("div", { class: "form" }, buttons));
}

export function camera(main, name, notice) {
  const picture = new Picture(name);
  const funnel = new Funnel();
  const state = el("span", { class: "state" });
  const detail = el("span", { class: "quiet small" });
  const answer = el("p", { class: "answer small quiet number" });
  const values = el("dl");
  const epochs = el("ul", { class: "epochs", tabindex: "0", "aria-label": "Changes of settings" });
  const pause = el("button", { type: "button", hidden: true, onclick: toggle }, "Pause");
  const wrong = el("ul", { class: "epochs wrong", tabindex: "0", "aria-label": "Audits that found an answer wrong" });
  const said = el("p", { class: "small quiet", hidden: !here.store && here.person?.role !== "admin" });
  if (!here.store) write(said, "There is no store: who says that the last stage was wrong is remembered until the run ends.");
  let [known, audited, tries] = [-1, -1, 0];
  let paused = false;
  let shownEpochs = -1;

  const admin = here.person?.role === "admin";
  const zones = new Zones(name, picture, admin, notice);
  const settings = new Settings(name, notice);
  const marking = new Marking(name, notice);
  const nobody = el("p", { hidden: true }, "There is no such camera in this run. ", el("a", { href: "#/" }, "All cameras"));
  const all = el("div", { class: "camera" },
    el("div", { class: "stack" },
      el("div", {}, picture.element, answer), zones.element, admin ? settings.element : ""),
    el("div", { class: "stack" }, funnel.element,
      el("section", { class: "card" }, el("h2", {}, "How right it is, and what it takes"), values),
      el("section", { class: "card" }, el("h2", {}, "What was missed"), wrong, said), marking.element,
      el("section", { class: "card" }, el("h2", {}, "Changes of settings"), epochs)));
  fill(main, el("div", { class: "top" }, el("h1", {}, name), state, detail, el("span", { class: "push" }), pause), nobody, all);

  function answered(told) {
    marking.answered(told);
    const reason = told.reason ? `: ${told.reason}` : "";
    write(answer, `Frame ${told.seq}, ${told.how} by ${told.by}${reason}. ${things(count(told.boxes))}`);
  }

  // Pictures come at once, and where there is no video; they end when that plays.
  let pictures = null;
  function showPictures() {
    pictures = new Live(ofRun({ stream: name, fps: 10, width: 960 }), (told, blob) => {
      if (picture.playing) {
        pictures?.close();
        return;
      }
      picture.show(told, blob);
      answered(told);
    }, (error) => write(picture.none, error.message));
  }
  showPictures();
  const video = window.MediaSource ? new Video(name, picture, answered, (why) => {
    picture.element.title = `single pictures: ${why}`;
    if (!picture.playing) return;
    picture.playing = false;
    showPictures();
  }) : null;

  async function toggle() {
    await notice.during(() => send(paused ? "resume" : "pause", ofRun({ stream: name })));
  }

  // Of this run and of those before it.
  async function showVerdicts() {
    if (!here.store) return;
    const told = await get("verdicts", { stream: name, most: 500 }).catch(() => null);
    const count = told ? told.verdicts.length : 0;
    said.hidden = !count;
    write(said, `In ${number(count)}${told?.next ? " and more" : ""} audits ${count === 1 ? "somebody has" : "people have"} ` +
      "said that the last stage was wrong, earlier runs included: the store keeps that.");
  }

  function showWrong(audits) {
    audited = audits;
    showVerdicts();
    const none = () => (audits ? `Nothing in ${audits} audits.` : "No answer has been audited yet.");
    get("missed", ofRun({ stream: name })).then(
      (found) => {
        // A picture may be on its way still: those of a stream on another machine never come.
        if (found.some((audit) => !audit.picture) && tries++ < 3) audited = -1;
        fill(wrong, found.length ? found.map((audit) => wrongItem(audit, name, admin, act))
          : el("li", { class: "quiet" }, none()));
      },
      (error) => fill(wrong, el("li", { class: "quiet" }, error.message)));
  }

  async function act(what, told) {
    await notice.during(() => send(what, ofRun(told)));
    showWrong(audited);
  }

  return {
    status(told) {
      const stream = told.streams[name];
      nobody.hidden = stream !== undefined;
      all.hidden = state.hidden = !stream;
      if (!stream) {
        pause.hidden = true;
        return;
      }
      state.className = stateClass(stream.state);
      write(state, stream.state);
      write(detail, stream.detail);
      if (stream.size) picture.resize(stream.size);
      marking.tell(stream);
      paused = stream.state === "paused";
      pause.hidden = !admin || (stream.state === "ended" && !paused);
      write(pause, paused ? "Resume" : "Pause");
      funnel.tell(told.funnel.streams[name] ?? [], told.funnel.window_s);
      fill(values, facts(stream, told.funnel.cost).flatMap(([what, value]) => [el("dt", {}, what), el("dd", {}, value)]));
      const audits = Object.values(stream.audits).reduce((sum, each) => sum + each.audited, 0);
      if (audits !== known) [known, tries, audited] = [audits, 0, -1];
      if (audits !== audited) showWrong(audits);
      const own = told.epochs.filter((epoch) => epoch.streams.includes(name));
      if (own.length !== shownEpochs) {
        shownEpochs = own.length;
        const none = el("li", { class: "quiet" }, "None: as the run began.");
        fill(epochs, own.length ? own.toReversed().map((epoch) => epochItem(epoch, false)) : none);
        zones.read();
        settings.read();
      }
    },
    leave() {
      pictures?.close();
      video?.close();
      zones.leave();
    },
  };
}

function count(boxes) {
  const counted = {};
  for (const box of boxes) counted[box[4]] = (counted[box[4]] ?? 0) + 1;
  return counted;
}

