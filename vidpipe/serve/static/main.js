// Which page is shown, who looks at it, and what all pages have in common.

import { Refused, Told, get, here, send } from "./api.js";
import { camera } from "./camera.js";
import { el, fill, write } from "./dom.js";
import { own } from "./own.js";
import { reviews } from "./reviews.js";
import { system } from "./system.js";
import { wall } from "./wall.js";

const main = document.getElementById("main");
const state = document.getElementById("state");
const troubles = document.getElementById("troubles"); // of the run, which goes on
const alert = document.getElementById("notice");
let page = null;
let told = null;
let newest = null;

const notice = {
  say(text) {
    write(alert, text);
  },
  // Says what goes wrong; whatever comes back, or true.
  async during(work) {
    try {
      const done = await work();
      this.say("");
      return done ?? true;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) begin();
      else this.say(error instanceof Refused ? error.message : "the server does not answer");
      return false;
    }
  },
};

const PAGES = [["#/", "Cameras"], ["#/reviews", "Reviews"], ["#/own", "Own events"], ["#/system", "System"]];
const OF_STORE = ["#/reviews", "#/own"]; // that need no run

function route() {
  const [path, query] = location.hash.slice(2).split("?");
  const [first, name] = path.split("/");
  page?.leave();
  notice.say("");
  if (first === "camera" && name) page = camera(main, decodeURIComponent(name), notice);
  else if (first === "own") page = own(main, notice);
  else if (first === "reviews" || !here.run) page = reviews(main, Object.fromEntries(new URLSearchParams(query)), notice);
  else if (first === "system") page = system(main);
  else page = wall(main);
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.getAttribute("href") === `#/${!here.run && first !== "own" ? "reviews" : first === "camera" ? "" : first}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${main.querySelector("h1")?.textContent ?? ""} – vidpipe`;
  if (newest) page.status(newest);
}

function listen() {
  told?.close();
  told = new Told(here.run, {
    status(status) {
      newest = status;
      write(state, `${here.run}: ${status.state}`);
      write(troubles, (status.troubles ?? []).join(" · "));
      page?.status(status);
    },
    away: ({ error }) => write(state, error),
    error: () => write(state, `${here.run}: the server does not answer`),
  });
}

function chooser(runs) {
  if (runs.length < 2) return "";
  const select = el("select", { "aria-label": "Run", onchange: () => { here.run = select.value; newest = null; listen(); route(); } },
    runs.map((run) => el("option", { value: run }, run)));
  return select;
}

function signIn() {
  fill(document.getElementById("nav"));
  fill(document.getElementById("person"));
  write(state, "");
  const name = el("input", { required: true, autocomplete: "username", maxlength: 64 });
  const password = el("input", { required: true, type: "password", autocomplete: "current-password" });
  const form = el("form", { class: "card sign-in", onsubmit: async (event) => {
    event.preventDefault();
    if (await notice.during(() => send("session", { name: name.value, password: password.value }))) begin();
    else password.value = "";
  } }, el("h1", {}, "Sign in"), el("label", {}, "Name", name), el("label", {}, "Password", password),
  el("button", { class: "main" }, "Sign in"));
  fill(main, form);
  document.title = "Sign in – vidpipe";
  name.focus();
}

async function begin() {
  page?.leave();
  page = null;
  told?.close();
  write(troubles, "");
  newest = null;
  const session = await notice.during(() => get("session"));
  if (!session) return;
  here.person = session.person;
  window.onhashchange = null;
  if (session.person === null) {
    signIn();
    return;
  }
  here.run = session.runs[0] ?? null;
  here.store = session.store;
  fill(document.getElementById("nav"), PAGES.filter(([href]) => here.run || OF_STORE.includes(href)).map(([href, text]) => el("a", { href }, text)));
  fill(document.getElementById("person"), chooser(session.runs), session.has_users
    ? [session.person.name, el("button", { type: "button", class: "plain", onclick: async () => {
        await notice.during(() => send("session", {}, "DELETE"));
        begin();
      } }, "Sign out")] : "");
  window.onhashchange = () => {
    route();
    main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  };
  route();
  if (here.run) listen();
}

begin();
