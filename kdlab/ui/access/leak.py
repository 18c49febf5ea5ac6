"""Black box leaks: the width of a teacher's last layer, read off its logits alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import streamlit as st

from kdlab.core.logit_rank import DROP, logit_singular_values, shown_width
from kdlab.models.catalogue import get_teacher, teacher_logits
from kdlab.models.last_layer import last_layer
from kdlab.models.logit_rows import STEP, LogitSpectra, read_logit_spectra
from kdlab.ui.access.leak_charts import said, singular_value_curve
from kdlab.ui.url_state import publish, url_choice
from kdlab.ui.widgets.live_plot import live_plot
from kdlab.ui.widgets.live_slider import live_slider

LOGITS, LOG_PROBABILITIES = "logits", "log-probabilities"
SENT = {LOGITS: "Logits", LOG_PROBABILITIES: "Log-probabilities"}
QUERIES = 768  # at first: enough to see the drop and what lies behind it
BYTES = 4  # a number, as float32
CONTRAST = "fashion"
stored_spectra = cache(read_logit_spectra)

INTRODUCTION = (
    "A black box shows its outputs and nothing else. But where a teacher has more classes than units below them, its "
    "logits all lie in a space of as many dimensions as there are units. Put the logits of many queries into one table: "
    "its **singular values** say how many directions the rows use. Drag the queries and watch for the drop."
)
PUBLISHED = (
    "This was done to real services. Carlini et al. ([arXiv 2403.06634](https://arxiv.org/abs/2403.06634)) found that "
    "OpenAI's ada and babbage are 1,024 and 2,048 wide, and extracted their whole last layers for under $20; Finlayson et "
    "al. ([arXiv 2403.09539](https://arxiv.org/abs/2403.09539)) estimate about 4,096 for gpt-3.5-turbo. Both papers say "
    "how providers can guard against it. Since February 2024 a bias that a caller puts on a token no longer changes the "
    "log-probabilities that OpenAI's API shows, reports a thread by users of it "
    "([safety-tooling#79](https://github.com/safety-research/safety-tooling/issues/79))."
)


def show_leak() -> None:
    """The whole section: the picture under its slider, the teacher that does not leak, what was published."""
    st.header("Black box leaks", anchor=False)
    st.write(INTRODUCTION)
    st.fragment(_under_the_hand)()
    st.write(contrast_words(CONTRAST))
    st.caption(PUBLISHED)


def _under_the_hand() -> None:
    spectra = stored_spectra()
    asked, shown = st.columns([1, 2.6], gap="large")
    with asked:
        queries = _queries(spectra)
        sent = _sent()
    values = _values(spectra, sent, queries)
    with shown:
        live_plot(
            singular_value_curve(values, shown_width(values), spectra.columns),
            key="leak",
            height=380,
            alt=leak_alt(values, queries, sent),
            sentence=leak_words(values, queries, sent, spectra),
            caption=source_words(spectra),
        )


def _queries(spectra: LogitSpectra) -> int:
    first, second = spectra.queries[:2]
    return int(
        live_slider(
            "Queries",
            key="queries",
            min_value=first,
            max_value=spectra.queries[-1],
            value=QUERIES,
            step=second - first,
            help=f"Each query is a text, each answer a row: what the teacher says of {spectra.columns:,} of its "
            f"{spectra.vocabulary:,} tokens.",
        )
    )


def _sent() -> str:
    notice = url_choice("sent", SENT, LOGITS)
    sent = st.segmented_control(
        "What is sent", list(SENT), key="sent", format_func=SENT.get, required=True, wrap=True
    )
    publish("sent", None if sent == LOGITS else sent)
    if notice:
        st.warning(notice, icon=":material/link_off:")
    return sent


def _values(spectra: LogitSpectra, sent: str, queries: int) -> np.ndarray:
    """Singular values of the first queries' rows."""
    rows = spectra.logits if sent == LOGITS else spectra.log_probabilities
    return rows[spectra.queries.index(queries)]


def leak_words(values: np.ndarray, queries: int, sent: str, spectra: LogitSpectra) -> str:
    """What the singular values say of the last layer, what it took, and what that means. Bold as in `live_plot`."""
    width = shown_width(values)
    payload = f"{queries * spectra.columns * BYTES / 1e6:.1f} MB"
    if width is None:
        return (
            f"**Cannot be told yet.** All {len(values)} singular values are large: none is even {DROP} times less than "
            f"the one before it. So the last layer has at least {len(values)} units; only more queries than units can say "
            f"how many. Sent so far: {queries} queries, {payload}."
        )
    above, below = values[width - 1], values[width]
    right = "and that is right" if width == spectra.width else f"but it has {spectra.width}"
    centred = ""
    if sent == LOG_PROBABILITIES:
        centred = (
            " Log-probabilities are logits less a number that is another in each row, so each row's mean was taken off "
            f"first; without that, all {spectra.queries[-1]:,} queries would show {shown_width(spectra.uncentred)}."
        )
    return (
        f"**The last layer is {width} units wide**, {right}: singular value {width} is {said(above)}, the next "
        f"{said(below)}, {above / below:,.0f} times less, which is rounding.{centred} It took {queries:,} queries and "
        f"{payload} of {sent}, of {spectra.columns:,} tokens only. That is black-box access, and what it gave is a fact "
        "of the **white box**: the line between the two is thinner than their names say."
    )


def leak_alt(values: np.ndarray, queries: int, sent: str) -> str:
    """The curve in numbers, for those who do not see it."""
    width = shown_width(values)
    start = f"Singular values of the {sent} of {queries:,} queries, on a log scale: the first is {said(values[0])}"
    if width is None:
        return f"{start}, the last, number {len(values)}, {said(values[-1])}; there is no drop."
    return (
        f"{start}, number {width} is {said(values[width - 1])}; then they drop to {said(values[width])} at number "
        f"{width + 1}, and end with {said(values[-1])} at number {len(values)}."
    )


def source_words(spectra: LogitSpectra) -> str:
    """Whose logits these are, and how they were kept."""
    width = shown_width(spectra.whole)
    whole = "do not show the same" if width is None else f"show {width} too"
    return (
        f"Teacher: SmolLM2-135M-Instruct, asked what follows each of the first {spectra.queries[-1]:,} tokens of "
        f"Pride and Prejudice; answers for {spectra.columns:,} tokens drawn at random, logits in steps of 1/{1 / STEP:,.0f}. All "
        f"{spectra.vocabulary:,} tokens {whole}. Its last layer has no bias; a bias would count as one unit more. Bytes: "
        f"{BYTES} a number."
    )


@cache
def contrast_words(teacher: str) -> str:
    """A teacher whose width its logits do not show, and why. Markdown."""
    logits = teacher_logits(teacher).test
    values = logit_singular_values(logits)
    width, units = shown_width(values), last_layer(teacher).shape[1]
    found = (
        f"the smallest is {said(values[-1])} and there is no drop, so nothing can be read off"
        if width is None
        else f"they drop after number {width}"
    )
    return (
        f"**Not every teacher leaks so.** The lab's {get_teacher(teacher).title} has {logits.shape[1]} classes and "
        f"{units} units below them: fewer classes than units. The logits of {len(logits):,} queries have {len(values)} "
        f"singular values; {found}, however often one asks."
    )
