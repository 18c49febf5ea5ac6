"""Tells aloud what happens to a run, and brings one that was just launched into view on a narrow screen."""

from __future__ import annotations

import streamlit as st

_HTML = '<div class="news" role="status" aria-live="polite"></div>'
_CSS = """
.news { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
"""
_SCRIPT = """
const brought = new Set();

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
"""
_announcer = st.components.v2.component("kdlab.announcer", html=_HTML, css=_CSS, js=_SCRIPT)


def announce(name: str, words: str, *, key: str, launched: str | None = None) -> None:
    """Speaks the words politely when the name is another than before.

    launched: the id of a run that this visitor has just launched; its head is scrolled to once, where the
    screen is so narrow that it lies below the settings.
    """
    _announcer(key=key, data={"name": name, "words": words, "launched": launched})
