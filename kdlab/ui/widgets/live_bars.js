import { whenDragged } from "./dragging.js";
import { Telling } from "./telling.js";

const states = new WeakMap(); // parentElement -> the values on show, and what was told to Python
const GRAIN = 0.1;
const STEP = 0.5; // of an arrow key; with Shift the grain
const FAR = 2; // of a page key
const HEAD = 28; // pixels above the rows
const ROOM = 0.11; // of the track on either side, for the numbers beside the longest bars

const KEYS = {
  ArrowRight: STEP, ArrowUp: STEP, ArrowLeft: -STEP, ArrowDown: -STEP, PageUp: FAR, PageDown: -FAR,
};

function snap(value, limit) {
  const clipped = Math.min(limit, Math.max(-limit, value));
  return Number((Math.round(clipped / GRAIN) * GRAIN).toFixed(1)) || 0; // no −0
}

const inWords = (value) => value.toFixed(1).replace("-", "−").replace(/^−0\.0$/, "0.0");

function element(name, className, words = "") {
  return Object.assign(document.createElement(name), { className, textContent: words });
}

function build(rows, data) {
  rows.replaceChildren(
    ...data.classes.map((name, k) => {
      const row = element("div", "row");
      const track = element("div", "track");
      const said = element("div", "name", name);
      if (k === data.label) said.append(element("b", "", data.label_words));
      for (const [s, one] of data.series.entries()) {
        const lane = element("div", "lane");
        lane.append(element("i", ""), element("u", ""), element("span", ""));
        lane.tabIndex = 0;
        lane.setAttribute("role", "slider");
        lane.setAttribute("aria-orientation", "horizontal");
        lane.setAttribute("aria-label", `${one.name}, ${name}`);
        lane.setAttribute("aria-valuemin", -data.limit);
        lane.setAttribute("aria-valuemax", data.limit);
        lane.style.setProperty("--bar", one.colour);
        lane.style.setProperty("--ink", one.ink);
        lane.place = [s, k];
        track.append(lane);
      }
      row.append(said, track);
      return row;
    }),
  );
  const foot = element("div", "foot");
  const ticks = element("div", "ticks");
  for (const value of [-data.limit, -data.limit / 2, 0, data.limit / 2, data.limit]) {
    const tick = element("span", "", String(value).replace("-", "−"));
    tick.style.left = `${position(value, data.limit) * 100}%`;
    ticks.append(tick);
  }
  foot.append(element("div", "name", data.unit), ticks);
  rows.append(foot);
}

// On a projector as much as `live_plot` gives the figure beside the bars.
const pixels = (many, large) => (large ? `max(${1.2 * many}px, ${(0.025 / 13) * (1.2 / 1.4) * 100 * many}vh)` : `${many}px`);

const position = (value, limit) => 0.5 + (value / limit) * (0.5 - ROOM);

export default function ({ data, parentElement, setStateValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const rows = find(".rows");
  const state = states.get(parentElement) ?? { held: null, telling: new Telling() };
  states.set(parentElement, state);
  const { limit } = data;
  const { telling } = state;
  telling.send = (move) => setStateValue("move", { ...move, subject: data.subject });
  telling.read = () => ({ values: state.values });

  const signature = JSON.stringify([data.classes, data.label, limit, data.subject]);
  const rebuilt = state.signature !== signature;
  if (rebuilt) {
    state.signature = signature;
    state.held = null;
    build(rows, data);
  }
  const lanes = [...rows.querySelectorAll(".lane")];

  function show(lane) {
    const [s, k] = lane.place;
    const value = state.values[s][k];
    const tip = position(value, limit);
    lane.style.setProperty("--tip", `${tip * 100}%`);
    lane.style.setProperty("--from", `${Math.min(tip, 0.5) * 100}%`);
    lane.style.setProperty("--long", `${Math.abs(tip - 0.5) * 100}%`);
    lane.toggleAttribute("data-left", value < 0);
    lane.lastChild.textContent = inWords(value);
    lane.setAttribute("aria-valuenow", value.toFixed(1));
    lane.setAttribute("aria-valuetext", inWords(value));
  }

  function offerReset() {
    find(".reset").disabled = state.values.every((row, s) => row.every((z, k) => z === data.series[s].start[k]));
  }

  const set = (lane, value) => put(lane, snap(value, limit));

  function put(lane, value) {
    const [s, k] = lane.place;
    if (value === state.values[s][k]) return;
    state.values[s][k] = value;
    find(".notice").hidden = true;
    state.moved = true;
    show(lane);
    offerReset();
    telling.soon();
  }

  find(".bars").style.setProperty("--pitch", pixels(data.pitch, data.large));
  find(".bars").style.setProperty("--head", pixels(HEAD, data.large));
  rows.style.setProperty("--lanes", data.series.length);
  rows.setAttribute("aria-label", data.name);
  const keys = data.series.map((one) => {
    const key = element("span", "key", one.name);
    key.style.setProperty("--bar", one.colour);
    key.style.setProperty("--ink", one.ink);
    return key;
  });
  find(".keys").replaceChildren(...keys);
  find(".notice").hidden = !data.notice || state.moved;
  find(".notice").textContent = data.notice;

  if (rebuilt) telling.forget(data.taken);
  if (telling.hear(data.taken) && state.held === null) {
    state.values = data.series.map((one) => [...one.values]);
    lanes.forEach(show);
    offerReset();
  }

  for (const lane of lanes) {
    const [s, k] = lane.place;
    const perUnit = () => (lane.clientWidth * (0.5 - ROOM)) / limit;
    whenDragged(lane, {
      grab(x) {
        state.held = lane;
        state.before = state.values[s][k];
        lane.toggleAttribute("data-held", true);
        lane.focus({ preventScroll: true });
        const box = lane.getBoundingClientRect();
        if (x !== undefined) set(lane, (x - box.x - box.width / 2) / perUnit());
        state.grip = state.values[s][k];
      },
      move: (px) => set(lane, state.grip + px / perUnit()),
      drop(kept) {
        state.held = null;
        lane.toggleAttribute("data-held", false);
        if (!kept) put(lane, state.before);
        telling.now(true);
      },
    });
    lane.onkeydown = (event) => {
      let value;
      if (event.key === "Home") value = -limit;
      else if (event.key === "End") value = limit;
      else if (event.key in KEYS) value = state.values[s][k] + (event.shiftKey ? Math.sign(KEYS[event.key]) * GRAIN : KEYS[event.key]);
      else return;
      event.preventDefault();
      set(lane, value);
      telling.rest();
    };
  }
  find(".reset").onclick = () => {
    state.values = data.series.map((one) => [...one.start]);
    lanes.forEach(show);
    offerReset();
    telling.now(true);
  };
  // Streamlit also ends a call that newer data overtook, while the bars stand.
  return () => {
    if (!parentElement.isConnected) telling.stop();
  };
}
