import { whenDragged } from "./dragging.js";
import { stands } from "./sliding.js";
import { Telling } from "./telling.js";

const sliders = new WeakMap(); // parentElement -> where this slider stands and what it has told Python
const FINE = 1000; // positions of a log scale's track

function makeScale({ min, max, step, log }) {
  const clip = (value) => Math.min(max, Math.max(min, value));
  const onGrain = (value) => clip(step ? Number((Math.round(value / step) * step).toPrecision(12)) : value);
  if (!log) {
    const grain = step || (max - min) / 200;
    return {
      range: { min, max, step: step || "any" },
      toPosition: (value) => value,
      fromPosition: onGrain,
      next: (value, direction, far) => onGrain(value + direction * grain * (far ? Math.max(1, Math.round((max - min) / grain / 10)) : 1)),
      part: (value) => (value - min) / (max - min),
    };
  }
  const snap = (value) => onGrain(Number(clip(value).toPrecision(2)));
  const part = (value) => Math.log(value / min) / Math.log(max / min);
  return {
    range: { min: 0, max: FINE, step: 1 },
    toPosition: (value) => Math.round(part(value) * FINE),
    fromPosition: (position) => snap(min * (max / min) ** (position / FINE)),
    next(value, direction, far) {
      if (far) return snap(value * (direction > 0 ? 1.25 : 0.8));
      // Just below a power of ten the next smaller grain is a tenth as large.
      const digit = 10 ** (Math.floor(Math.log10(direction > 0 ? value : value * 0.999)) - 1);
      return snap(value + direction * Math.max(step, digit));
    },
    part,
  };
}

function inWords(value, { step, log, unit, one }) {
  const digits = step ? Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) : null;
  let text;
  if (digits === null) text = log && value < 0.01 ? value.toExponential(1).replace("e-", "e−") : String(Number(value.toPrecision(3)));
  else text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const noun = text === "1" ? one : unit;
  return noun ? `${text} ${noun}` : text;
}

const KEYS = {
  ArrowRight: [1, false], ArrowUp: [1, false], ArrowLeft: [-1, false], ArrowDown: [-1, false],
  PageUp: [1, true], PageDown: [-1, true],
};

export default function ({ data, parentElement, setStateValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const input = find("input");
  const rail = find(".rail");
  const slider = sliders.get(parentElement) ?? { held: false, telling: new Telling() };
  sliders.set(parentElement, slider);
  const { telling } = slider;
  const scale = makeScale(data);
  telling.send = (move) => setStateValue("move", move);
  telling.read = () => ({ value: slider.value });
  telling.atRest = data.at_rest;

  function show(value) {
    slider.value = value;
    const words = inWords(value, data);
    find("output").textContent = words;
    input.setAttribute("aria-valuetext", words);
    input.style.setProperty("--part", scale.part(value));
    stands(data.key, value);
  }

  function moved(value) {
    if (value === slider.value) return;
    slider.moved = true;
    find(".notice").hidden = true;
    show(value);
    telling.soon();
  }

  find("label").textContent = data.label;
  find(".hint").hidden = !data.help;
  find(".tip").textContent = data.help;
  find(".low").textContent = inWords(data.min, data);
  find(".high").textContent = inWords(data.max, data);
  find(".notice").hidden = !data.notice || slider.moved;
  find(".notice").textContent = data.notice;
  if (data.help) input.setAttribute("aria-describedby", "tip");
  input.disabled = data.disabled;
  Object.assign(input, scale.range);

  if (telling.hear(data.taken) && !slider.held) {
    input.value = scale.toPosition(data.value);
    show(data.value);
  }

  // The rail takes what points, for the whole of an input of this kind takes any touch for its own. Keys, and what
  // helps those who do not see, stay with the input.
  const thumb = 24; // px, as in the style sheet
  const way = () => rail.clientWidth - thumb;
  const goTo = (part) => {
    const { min, max } = scale.range;
    const value = scale.fromPosition(min + Math.min(1, Math.max(0, part)) * (max - min));
    input.value = scale.toPosition(value);
    moved(value);
  };
  whenDragged(rail, {
    grab(x) {
      slider.held = true;
      slider.before = slider.value;
      slider.part = scale.part(slider.value);
      if (x === undefined) return;
      input.focus({ preventScroll: true });
      const pressed = x - rail.getBoundingClientRect().x - thumb / 2;
      if (Math.abs(pressed - slider.part * way()) <= thumb / 2) return;
      slider.part = pressed / way();
      goTo(slider.part);
    },
    move: (px) => goTo(slider.part + px / way()),
    drop(kept) {
      slider.held = false;
      if (!kept) {
        input.value = scale.toPosition(slider.before);
        moved(slider.before);
      }
      telling.now(true);
    },
  });
  input.oninput = () => moved(scale.fromPosition(Number(input.value)));
  input.onchange = () => telling.now(true);
  input.onkeydown = (event) => {
    let value;
    if (event.key === "Home") value = data.min;
    else if (event.key === "End") value = data.max;
    else if (event.key in KEYS) value = scale.next(slider.value, ...KEYS[event.key]);
    else return;
    event.preventDefault();
    input.value = scale.toPosition(value);
    show(value);
    telling.rest();
  };
  // Streamlit also ends a call that newer data overtook, while the slider stands.
  return () => {
    if (!parentElement.isConnected) telling.stop();
  };
}
