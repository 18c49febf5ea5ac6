"""What each page's address may say: one table. The pages' controls read and write it (`kdlab.ui.url_state`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from kdlab.core.conventions import CONVENTIONS
from kdlab.distill.objective_catalogue import OBJECTIVES
from kdlab.lessons.path import ACCESS, DISTILL, HOME, LOSS, RUNS, SOFT_TARGETS, TEACHERS, LabPage
from kdlab.runs.ladder import Ladder
from kdlab.runs.recipes import ThreeArms
from kdlab.ui.url_state import literal, shortened

EVERYWHERE = frozenset({"projector"})
_NAMED = 3  # of the parameters that a page does not know, in one sentence


@dataclass(frozen=True)
class Address:
    """names: the parameters of a page. also: what other pages, or older links, call them → this page's name."""

    names: frozenset[str]
    also: Mapping[str, str] = field(default_factory=dict)


_SETTINGS = frozenset(ThreeArms.model_fields) | {
    f"objective_{name}" for cls in OBJECTIVES.values() for name in cls.model_fields if name != "name"
}
_LIBRARIES = frozenset(
    f"lib_{name}_{own.name}" for name, convention in CONVENTIONS.items() for own in convention.parameters
)
_EXAMPLE = frozenset({"data", "teacher", "example", "text", "p", "numbers"})
ADDRESSES: Mapping[LabPage, Address] = {
    HOME: Address(frozenset()),
    SOFT_TARGETS: Address(_EXAMPLE | {"temperature", "of", "as"}, {"dataset": "data", "T": "temperature"}),
    LOSS: Address(
        _EXAMPLE | {"temperature", "kd_weight", "square", "start", "zt", "zs", "lib"} | _LIBRARIES,
        {"dataset": "data", "T": "temperature", "w": "kd_weight"},
    ),
    DISTILL: Address(_SETTINGS | {"run", "detail", "result"}, {"data": "dataset", "T": "temperature", "w": "kd_weight"}),
    ACCESS: Address(
        _EXAMPLE | set(Ladder.model_fields) - {"dataset"} | {"run", "measure", "against", "at", "inside", "theirs", "ours", "result", "queries", "sent"},
        {"dataset": "data", "T": "temperature", "w": "kd_weight"},
    ),
    TEACHERS: Address(frozenset({"ask", "texts", "budget", "at_once"})),
    RUNS: Address(frozenset({"whose", "state", "dataset", "page", "compare"}), {"data": "dataset"}),
}


def understand(page: LabPage) -> None:
    """Takes what an address says by another page's name for this page's own, and says what nobody here knows.

    Call it before the controls are drawn.
    """
    address = ADDRESSES[page]
    for other, own in address.also.items():
        asked = st.query_params.get(other)
        if asked is not None:
            del st.query_params[other]
            if own not in st.query_params:
                st.query_params[own] = asked
    unknown = [name for name in st.query_params if name not in address.names | EVERYWHERE]
    if unknown:
        named = ", ".join(literal(shortened(name)) for name in unknown[:_NAMED])
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        st.warning(
            f"The link also sets {named}{more}, which this page does not know: it changes nothing here.",
            icon=":material/link_off:",
        )
