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
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.querySelector(".st-key-run-head")?.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
}
