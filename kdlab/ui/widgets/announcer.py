"""Tells aloud what happens to a run, and brings one that was just launched into view on a narrow screen."""

from __future__ import annotations

from kdlab.ui.widgets.component_source import component

_announcer = component("announcer", html='<div class="news" role="status" aria-live="polite"></div>')


def announce(name: str, words: str, *, key: str, launched: str | None = None) -> None:
    """Speaks the words politely when the name is another than before.

    launched: the id of a run that this visitor has just launched; its head is scrolled to once, where the
    screen is so narrow that it lies below the settings.
    """
    _announcer(key=key, data={"name": name, "words": words, "launched": launched})
