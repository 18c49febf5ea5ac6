const brought = new Set(); // runs that were brought into view

export default function ({ data, parentElement }) {
  const region = parentElement.querySelector(".news");
  // A screen reader speaks what changes: one piece of news is written once, however often it is sent.
  if (region.dataset.name !== data.name) {
    region.dataset.name = data.name;
    region.textContent = data.words;
  }
  if (!data.launched || brought.has(data.launched)) return;
  brought.add(data.launched);
  if (!matchMedia("(max-width: 640px)").matches) return;
  bring(".st-key-run-head");
}

// What is still being drawn above it moves it, and ends a scroll that glides: so it is looked after until it stays,
// or until the visitor goes elsewhere.
const LOOKS = 25;
const BETWEEN_MS = 400;
const GOING = ["wheel", "touchstart", "pointerdown", "keydown"];

function bring(selector) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const left = new AbortController();
  for (const going of GOING) addEventListener(going, () => left.abort(), { signal: left.signal, passive: true });
  let looks = 0;
  const look = () => {
    if (left.signal.aborted) return;
    const top = document.querySelector(selector)?.getBoundingClientRect().top;
    // Not as far as the end of the page, and not as near as what stays at the top of the screen.
    if (top !== undefined && (top < 0 || top > innerHeight / 2)) {
      document.querySelector(selector).scrollIntoView({ behavior: calm || looks ? "auto" : "smooth" });
    }
    if (++looks < LOOKS) setTimeout(look, BETWEEN_MS);
    else left.abort();
  };
  look();
}
