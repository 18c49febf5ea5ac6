import { Telling } from "./telling.js";

const states = new WeakMap(); // parentElement -> what is chosen, and what was told to Python

function span(name, text) {
  return Object.assign(document.createElement("span"), { className: name, textContent: text });
}

function build(data) {
  const made = data.tokens.map(({ text }) => span("token", text));
  const lines = [];
  let at = 0;
  for (const count of data.words) {
    const word = span("word", "");
    word.append(...made.slice(at, at + count));
    at += count;
    lines.push(word);
    if (data.tokens[at - 1].breaks) lines.push(document.createElement("br"));
  }
  return lines;
}

function legend({ step, words, numbers }, scale) {
  const one = span("step", "");
  const swatch = span("swatch", "");
  [swatch.style.background] = scale[step];
  one.append(swatch, words);
  if (numbers) one.append(span("numbers", numbers));
  return one;
}

// The token of the line above or below that stands nearest to this one.
function beyond(nodes, at, down) {
  const here = nodes[at].getBoundingClientRect();
  const middle = here.x + here.width / 2;
  let best, line;
  for (let i = at; i >= 0 && i < nodes.length; i += down ? 1 : -1) {
    const box = nodes[i].getBoundingClientRect();
    if (Math.abs(box.y - here.y) < here.height / 2) continue;
    line ??= box.y;
    if (Math.abs(box.y - line) >= here.height / 2) break;
    const off = Math.abs(box.x + box.width / 2 - middle);
    if (!best || off < best.off) best = { off, i };
  }
  return best?.i;
}

const WALKS = {
  ArrowRight: (nodes, at) => at + 1,
  ArrowLeft: (nodes, at) => at - 1,
  ArrowDown: (nodes, at) => beyond(nodes, at, true),
  ArrowUp: (nodes, at) => beyond(nodes, at, false),
  Home: () => 0,
  End: (nodes) => nodes.length - 1,
};

export default function ({ data, parentElement, setStateValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const box = find(".tokens");
  const state = states.get(parentElement) ?? { telling: new Telling() };
  states.set(parentElement, state);
  const { telling } = state;
  telling.send = (move) => setStateValue("move", { ...move, subject: data.subject });
  telling.read = () => ({ token: state.chosen });

  if (state.subject !== data.subject) {
    state.subject = data.subject;
    telling.forget(data.taken);
    box.replaceChildren(...build(data));
  }
  const nodes = [...box.querySelectorAll(".token")];
  const choosable = nodes.filter((_, i) => data.tokens[i].step !== null);

  function show(chosen) {
    state.chosen = chosen;
    nodes.forEach((node, i) => {
      const here = i === chosen;
      if (data.tokens[i].step !== null) {
        node.setAttribute("aria-selected", here);
        node.tabIndex = here ? 0 : -1;
      }
      node.toggleAttribute("data-came", i === chosen + 1);
    });
  }

  nodes.forEach((node, i) => {
    const { name, step } = data.tokens[i];
    const [ground, ink] = step === null ? ["none", "inherit"] : data.scale[step];
    node.style.background = ground;
    node.style.color = ink;
    node.setAttribute("role", "option");
    node.setAttribute("aria-label", name);
    node.title = name;
    if (step === null) return node.setAttribute("aria-disabled", "true");
    node.onclick = () => {
      show(i);
      node.focus({ preventScroll: true });
      telling.now(true);
    };
    node.onkeydown = (event) => {
      if (!(event.key in WALKS) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const to = choosable[WALKS[event.key](choosable, choosable.indexOf(node))];
      if (!to) return;
      show(nodes.indexOf(to));
      to.focus();
      telling.rest();
    };
  });
  box.setAttribute("aria-label", data.label);
  find(".of").textContent = data.of;
  find(".steps").replaceChildren(...data.legend.map((one) => legend(one, data.scale)));
  if (telling.hear(data.taken)) show(data.chosen);
  // Streamlit also ends a call that newer data overtook, while the text stands.
  return () => {
    if (!parentElement.isConnected) telling.stop();
  };
}
