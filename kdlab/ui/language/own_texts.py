"""The texts that an experiment can be run on: the lab's, and this visitor's own."""

from __future__ import annotations

from kdlab.data.corpora import CORPORA
from kdlab.data.own_corpora import own_corpora
from kdlab.server.identity import visitor_id


def corpora_on_offer() -> dict[str, str]:
    """Name → title; the lab's first."""
    return {name: corpus.title for name, corpus in CORPORA.items()} | {own.name: own.title for own in own_corpora(visitor_id())}
