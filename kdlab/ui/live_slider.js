const sliders = new WeakMap(); // parentElement -> what this slider has told Python and what it holds back
const EVERY_MS = 33;
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

function inWords(value, { step, log, unit }) {
  const digits = step ? Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) : null;
  let text;
  if (digits === null) text = log && value < 0.01 ? value.toExponential(1).replace("e-", "e−") : String(Number(value.toPrecision(3)));
  else text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return unit ? `${text} ${unit}` : text;
}

const KEYS = {
  ArrowRight: [1, false], ArrowUp: [1, false], ArrowLeft: [-1, false], ArrowDown: [-1, false],
  PageUp: [1, true], PageDown: [-1, true],
};

export default function ({ data, parentElement, setStateValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const input = find("input");
  const slider = sliders.get(parentElement) ?? { count: 0, held: false, timer: 0, last: 0 };
  sliders.set(parentElement, slider);
  const scale = makeScale(data);

  function show(value) {
    slider.value = value;
    const words = inWords(value, data);
    find("output").textContent = words;
    input.setAttribute("aria-valuetext", words);
    input.style.setProperty("--part", scale.part(value));
  }

  function send(settled) {
    clearTimeout(slider.timer);
    slider.timer = 0;
    slider.last = performance.now();
    slider.count += 1;
    setStateValue("move", { value: slider.value, count: slider.count, settled });
  }

  function sendSoon() {
    slider.timer ||= setTimeout(() => send(false), Math.max(0, EVERY_MS - (performance.now() - slider.last)));
  }

  function settle() {
    slider.held = false;
    send(true);
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

  // An answer to an earlier move must not pull the thumb back: only one that has seen every move counts, also
  // the move that still waits to be told.
  if (!slider.held && !slider.timer && data.seen >= slider.count) {
    slider.count = data.seen;
    input.value = scale.toPosition(data.value);
    show(data.value);
  }

  input.onpointerdown = () => (slider.held = true);
  input.onpointerup = () => (slider.held = false);
  input.onpointercancel = settle;
  input.oninput = () => {
    const value = scale.fromPosition(Number(input.value));
    if (value === slider.value) return;
    slider.moved = true;
    find(".notice").hidden = true;
    show(value);
    sendSoon();
  };
  input.onchange = settle;
  input.onkeydown = (event) => {
    let value;
    if (event.key === "Home") value = data.min;
    else if (event.key === "End") value = data.max;
    else if (event.key in KEYS) value = scale.next(slider.value, ...KEYS[event.key]);
    else return;
    event.preventDefault();
    input.value = scale.toPosition(value);
    show(value);
    clearTimeout(slider.settling);
    slider.settling = setTimeout(settle, 250);
    sendSoon();
  };
  return () => {
    clearTimeout(slider.timer);
    clearTimeout(slider.settling);
  };
}
