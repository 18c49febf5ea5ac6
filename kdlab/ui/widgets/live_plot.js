import { ROLE_INKS } from "./role_inks.js";

const plots = new WeakMap(); // the plot's node -> what it shows and what is still to be drawn

function loadPlotly(address) {
  window.kdlabPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      window.kdlabPlotly = undefined;
      reject(new Error("Plotly did not load from " + address));
    };
    document.head.append(script);
  });
  return window.kdlabPlotly;
}

function channels(colour) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = colour || "#808080";
  pen.fillRect(0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data;
}

function themeTokens(node) {
  const style = getComputedStyle(node);
  const read = (name) => style.getPropertyValue(name).trim();
  const text = read("--st-text-color");
  const ground = read("--st-background-color");
  const signature = [text, ground, read("--st-font")].join();
  if (themeTokens.signature === signature) return themeTokens.tokens;
  const [r, g, b] = channels(text);
  const [gr, gg, gb] = channels(ground);
  const dark = 0.3 * gr + 0.59 * gg + 0.11 * gb < 128;
  const tokens = {
    "@ink": text,
    "@muted": `rgba(${r},${g},${b},0.72)`,
    "@faint": `rgba(${r},${g},${b},0.35)`,
    "@grid": `rgba(${r},${g},${b},0.13)`,
    "@ground": ground,
    "@extreme": dark ? "#fff" : "#000", // the ends of lightness, for words on a coloured cell
    "@opposite": dark ? "#000" : "#fff",
    "@panel": read("--st-secondary-background-color"),
    "@font": read("--st-font") || "sans-serif",
  };
  for (const [role, ink] of Object.entries(ROLE_INKS[dark ? "dark" : "light"])) tokens["@" + role] = ink;
  Object.assign(themeTokens, { signature, tokens });
  return tokens;
}

const SMALLEST = 13; // px, of a figure's words
const READABLE = 0.025; // of the screen's height, from the last row

function enlargement(large) {
  return large ? Math.max(1.4, (READABLE * innerHeight) / SMALLEST) : 1;
}

const ENDS = 0.98; // of the x axis: a label from there on stands beside the picture
const UNFOLDING = 500; // ms
const UNHURRIED = 2000; // ms between two pictures that move by themselves, for who wants less motion
const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");

const SCALED = { line: ["width"], marker: ["size"], margin: ["l", "r", "t"] };
const SHIFTS = ["xshift", "yshift", "standoff"];

function inTheme(value, tokens, scale, key = "") {
  if (typeof value === "string") return tokens[value] ?? value;
  if (Array.isArray(value)) return value.map((entry) => inTheme(entry, tokens, scale, key));
  if (value === null || typeof value !== "object") return value;
  const filled = {};
  for (const [name, entry] of Object.entries(value)) {
    if (scale === 1 || typeof entry !== "number") filled[name] = inTheme(entry, tokens, scale, name);
    else if (/font$/i.test(key) && name === "size") filled[name] = Math.max(entry, SMALLEST) * scale;
    else filled[name] = SCALED[key]?.includes(name) || SHIFTS.includes(name) ? entry * scale : entry;
  }
  return filled;
}

// The room on the right that labels beside the lines' ends need: a phone has no more to spare.
function roomForLabels(layout) {
  const pen = document.createElement("canvas").getContext("2d");
  const widths = layout.annotations.map(({ text, font, xshift = 0, x }) => {
    pen.font = `${font?.size ?? layout.font.size}px ${layout.font.family}`;
    return x >= layout.xaxis.range[1] * ENDS ? xshift + pen.measureText(text).width : 0;
  });
  return Math.ceil(Math.max(0, ...widths)) + 8;
}

// The rows of `live_bars` grow alike.
function heightOf({ height, large }) {
  return Math.round(height * enlargement(large) * (large ? 1.2 / 1.4 : 1));
}

function draw(node, plot) {
  plot.waiting = false;
  plot.stale = false;
  const began = performance.now();
  const { figure, large } = plot.data;
  const scale = enlargement(large);
  const height = heightOf(plot.data);
  const tokens = themeTokens(node);
  const picture = [figure, height, scale, node.clientWidth, themeTokens.signature, plot.zooms].join();
  if (picture === plot.picture) return; // sent again with what did move beside it
  plot.picture = picture;
  const { data, layout } = inTheme(JSON.parse(figure), tokens, scale);
  node.style.height = height + "px";
  if (layout.margin?.r === "@labels") layout.margin.r = roomForLabels(layout);
  layout.uirevision += plot.zooms;
  Object.assign(layout, { height, width: node.clientWidth || undefined, autosize: false });
  // Counts the states that were drawn: the browser tests read it.
  Promise.resolve(window.Plotly.react(node, data, layout, plot.config)).then(() => {
    node.dataset.draws = Number(node.dataset.draws ?? 0) + 1;
    node.dataset.state = "drawn";
    plot.save.disabled = false;
  });
  plot.rested = began + (plot.data.plays && lessMotion.matches ? UNHURRIED : plot.data.every_ms);
  if (plot.listens) return;
  plot.listens = true;
  node.on("plotly_relayout", () => (plot.showAll.hidden = false));
  node.on("plotly_click", ({ points: [point] }) => {
    if (!plot.data.clickable) return;
    const { curveNumber: curve, x, y, customdata = null } = point;
    plot.send("clicked", { curve, x, y, customdata });
  });
}

// However fast new numbers come: one drawing a frame, or each every_ms, of the newest, none that nobody sees.
function schedule(node, plot) {
  plot.stale = true;
  if (!plot.visible || plot.waiting) return;
  plot.waiting = true;
  plot.timer = setTimeout(
    () => (plot.frame = requestAnimationFrame(() => draw(node, plot))),
    Math.max(0, plot.rested - performance.now()),
  );
}

function watch(node, plot) {
  plot.sight = new IntersectionObserver(
    (sights) => {
      plot.visible = sights.at(-1).isIntersecting; // a busy browser tells several at once, the oldest first
      if (plot.visible && plot.stale) schedule(node, plot);
      // Chromium may not notice that a section has done unfolding: asked anew, it looks anew.
      if (!plot.visible && node.closest("details[open]")) {
        plot.anew = setTimeout(() => {
          plot.sight.unobserve(node);
          plot.sight.observe(node);
        }, UNFOLDING);
      }
    },
    { rootMargin: "200px" },
  );
  plot.sight.observe(node);
  plot.size = new ResizeObserver(() => {
    const { width, height } = node._fullLayout ?? {};
    if (width && (Math.abs(node.clientWidth - width) > 1 || height !== heightOf(plot.data))) schedule(node, plot);
  });
  plot.size.observe(node);
  plot.size.observe(document.documentElement); // a projector's letters follow the height of the screen
}

// Words as text nodes; only **these** become bold.
function write(node, words) {
  node.hidden = !words;
  if (node.words === words) return;
  node.words = words;
  node.replaceChildren(
    ...words.split("**").map((part, i) => {
      if (i % 2 === 0) return part;
      return Object.assign(document.createElement("strong"), { textContent: part });
    }),
  );
}

export default function ({ data, parentElement, setTriggerValue }) {
  const node = parentElement.querySelector(".kdlab-plot");
  let plot = plots.get(node);
  if (!plot) {
    // Plotly's own buttons would stand within the picture, for which a text is read out in their place.
    const [showAll, save] = parentElement.querySelectorAll(".kdlab-tools button");
    plot = { rested: 0, zooms: 0, showAll, save, config: { displayModeBar: false } };
    save.onclick = () => window.Plotly.downloadImage(node, { format: "png", filename: "kd-lab" });
    showAll.onclick = () => {
      plot.zooms += 1; // another revision: what was zoomed is given up
      schedule(node, plot);
      save.focus();
      showAll.hidden = true;
    };
    plots.set(node, plot);
    watch(node, plot);
    // Plotly takes a touch that begins on it for a drag and holds the page still. Without it a finger scrolls, and
    // a tap comes as a click.
    node.addEventListener("touchstart", (event) => event.stopPropagation(), { capture: true, passive: true });
  }
  plot.data = data;
  plot.send = setTriggerValue;
  write(parentElement.querySelector("h3"), data.title);
  parentElement.querySelector("h3").ariaLevel = data.level;
  write(parentElement.querySelector("p"), data.sentence);
  write(parentElement.querySelector("figcaption"), data.caption);
  node.setAttribute("aria-label", data.alt);
  node.style.height = heightOf(data) + "px";
  node.style.cursor = data.clickable ? "pointer" : "";
  loadPlotly(data.plotly).then(
    () => schedule(node, plot),
    () => (node.dataset.state = "failed"),
  );
  // Streamlit also ends a call that newer data overtook, while the figure stands.
  return () => {
    if (node.isConnected) return;
    clearTimeout(plot.timer);
    clearTimeout(plot.anew);
    cancelAnimationFrame(plot.frame);
    plot.sight.disconnect();
    plot.size.disconnect();
    window.Plotly?.purge(node);
    plots.delete(node);
  };
}
