import { follow } from "./sliding.js";

const states = new WeakMap(); // parentElement -> the frames, and the temperature that is drawn

function element(name, className, words = "", role = "") {
  const made = Object.assign(document.createElement(name), { className, textContent: words });
  if (role) made.setAttribute("role", role);
  return made;
}

// As `percent` in kdlab/ui/examples/words.py says them.
function percent(share) {
  if (share > 0.9995) return "100 %";
  if (share >= 0.995) return `${(share * 100).toFixed(1)} %`;
  if (share >= 0.0995) return `${(share * 100).toFixed(0)} %`;
  return share >= 0.0005 ? `${(share * 100).toFixed(1)} %` : share > 0 ? "<0.1 %" : "0 %";
}

function foot() {
  const made = element("div", "foot");
  made.ariaHidden = "true";
  const ticks = element("span", "ticks");
  ticks.append(...["0", "50 %", "100 %"].map((tick) => element("span", "", tick)));
  made.append(ticks);
  return made;
}

function build(find, data) {
  find(".keys").replaceChildren(
    ...data.series.map(({ name, colour, ink }) => {
      const key = element("span", "key", name);
      key.style.setProperty("--bar", colour);
      key.style.setProperty("--ink", ink);
      return key;
    }),
  );
  find(".head").replaceChildren(...["Token", ...data.series.map(({ name }) => name)].map((name) => element("span", "", name, "columnheader")));
  find(".rows").replaceChildren(
    ...data.rows.map(({ name, note, came }) => {
      const row = element("div", "row", "", "row");
      row.toggleAttribute("data-came", came);
      const said = element("div", "name", name, "rowheader");
      if (note) said.append(element("b", "", note));
      const lanes = element("div", "lanes");
      for (const { colour, ink } of data.series) {
        const lane = element("div", "lane", "", "cell");
        lane.style.setProperty("--bar", colour);
        lane.style.setProperty("--ink", ink);
        const track = element("span", "track");
        track.append(element("i", ""));
        lane.append(track, element("span", "number"));
        lanes.append(lane);
      }
      row.append(said, lanes);
      return row;
    }),
    foot(),
  );
  find(".facts").replaceChildren(...data.facts.flatMap(({ name }) => [element("dt", "", name), element("dd", "")]));
}

export default function ({ data, parentElement }) {
  const find = (selector) => parentElement.querySelector(selector);
  const state = states.get(parentElement) ?? {};
  states.set(parentElement, state);
  const built = JSON.stringify([data.rows, data.series, data.facts]);
  if (state.built !== built) {
    state.built = built;
    build(find, data);
  }
  state.frames = JSON.parse(data.frames);
  find(".table").setAttribute("aria-label", data.label);

  function draw() {
    state.waiting = 0;
    const { temperatures, series, facts } = state.frames;
    const off = temperatures.map((one) => Math.abs(one - state.temperature));
    const frame = off.indexOf(Math.min(...off));
    for (const [r, row] of [...parentElement.querySelectorAll(".row")].entries()) {
      for (const [s, lane] of [...row.querySelectorAll(".lane")].entries()) {
        const share = series[s][frame][r] / data.parts;
        lane.querySelector("i").style.width = `${share * 100}%`;
        lane.lastChild.textContent = percent(share);
      }
    }
    for (const [f, fact] of [...find(".facts").querySelectorAll("dd")].entries()) {
      fact.textContent = `${facts[f][frame].toFixed(data.facts[f].digits)} ${data.facts[f].unit}`;
    }
    // The browser tests read which temperature is drawn, and how often something was.
    find(".bars").dataset.temperature = temperatures[frame];
    find(".bars").dataset.draws = Number(find(".bars").dataset.draws ?? 0) + 1;
  }

  state.turn = draw;
  state.temperature =
    follow(data.slider, parentElement, (value) => {
      state.temperature = value;
      state.waiting ||= requestAnimationFrame(() => state.turn());
    }) ?? data.temperature;
  draw();
}
