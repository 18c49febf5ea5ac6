"""The answers of a teacher behind an API, drawn as they come: what the probe showed, then whether it is right, and how sure."""

from __future__ import annotations

import streamlit as st

from kdlab.data import visitor_sets
from kdlab.data.registry import find_dataset
from kdlab.data.visitor_sets import TextsGoneError
from kdlab.data.word_pieces import ModelMissing
from kdlab.models.api_asking import Asking
from kdlab.models.api_taught import TooFewAnswersError, make_teacher
from kdlab.models.catalogue import TEACHERS, teacher_card, teacher_logits
from kdlab.server.identity import visitor_id
from kdlab.ui.look.numbers import share
from kdlab.ui.teachers.endpoint_charts import answer_counts, answers_figure, mass_figure
from kdlab.ui.teachers.endpoint_words import (
    agreement_words,
    answers_csv,
    captured,
    mass_words,
    progress_words,
    rung_words,
)
from kdlab.ui.teachers.way_to_distill import way_to_distill
from kdlab.ui.url_state import as_it_is
from kdlab.ui.widgets.announcer import announce
from kdlab.ui.widgets.ask_button import ask_button, asked
from kdlab.ui.widgets.live_plot import live_plot

TEACH = "teach"
POLL = 0.5  # seconds between two looks


def watch(asking: Asking | None, working: bool) -> None:
    """What the visitor's last asking is at, again and again while it goes on; then the whole page once more.

    working: whether it went on when the buttons beside it were drawn.
    """
    if asking is None:
        st.caption(
            ":material/forum: Probe first: one query shows what the endpoint lets out. Then ask: its answers are drawn here as "
            "they come."
        )
        return
    working = working or asking.goes_on  # perhaps another tab has begun it since

    def draw() -> None:
        still = asking.goes_on
        _standing(asking, still)
        _rungs(asking)
        _answers(asking)
        if working and not still:
            st.rerun()

    st.fragment(draw, run_every=POLL if working else None)()
    if not working:
        _download(asking)


def _standing(asking: Asking, working: bool) -> None:
    now = asking.progress
    title = f"{as_it_is(asking.model)} at {as_it_is(asking.host)}"
    if asking.texts:
        st.markdown(f"{title}: {progress_words(now)}")
        st.progress(now.answered / max(len(asking.texts), 1))
    elif working:
        st.markdown(f"{title} is being probed.")
    if working and now.waits >= 1:
        st.caption(f":material/hourglass_top: The endpoint wants to be left alone: the next query goes in {now.waits:.0f} s.")
    if asking.paused:
        st.info("Paused. Nothing is sent until you resume.", icon=":material/pause_circle:")
    if asking.fault:
        st.error(as_it_is(asking.fault), icon=":material/error:")
    elif now.note and not working:
        st.info(as_it_is(now.note), icon=":material/stop_circle:")
    state = "asking" if working else "failed" if asking.fault else "done"
    told = {"asking": "The endpoint is being asked.", "failed": asking.fault, "done": "The endpoint has answered."}
    announce(f"{id(asking)} {state}", told[state], key="asking-news")


def _rungs(asking: Asking) -> None:
    if asking.probed is None:
        return
    rungs = asking.probed.rungs
    lines = [
        f":material/{'lock_open' if is_open else 'lock'}: **{name}** {said}" for is_open, name, said in rung_words(rungs)
    ]
    st.markdown("  \n".join(lines))
    if rungs.note:
        st.caption(as_it_is(rungs.note))


def _answers(asking: Asking) -> None:
    answers, data = asking.answers, find_dataset(asking.dataset)
    if not answers or data is None:
        return
    try:
        labels = data.load().y_train
    except TextsGoneError as error:
        st.info(str(error), icon=":material/visibility_off:")
        return
    places = sorted(answers)
    came = [answers[place] for place in places]
    known = [int(labels[asking.rows[place]]) for place in places]
    counts = answer_counts(known, [answer.label for answer in came], len(data.classes))
    said = agreement_words(known, came)
    live_plot(
        answers_figure(counts, data.classes),
        key="api-answers",
        height=420,
        alt=f"Known label against the teacher's answer, counted. {said.replace('**', '')}",
        sentence=said,
        caption=_beside(asking, places, known),
    )
    if mass := mass_words(came):
        live_plot(
            mass_figure(captured(came)),
            key="api-mass",
            height=190,
            alt=mass.replace("**", ""),
            sentence=mass,
        )


def _beside(asking: Asking, places: list[int], known: list[int]) -> str:
    """How often the lab's own teacher of these data is right on the same texts; empty where there is none."""
    own = next((teacher for teacher in TEACHERS.values() if teacher.dataset == asking.dataset), None)
    if own is None:
        return ""
    answers = teacher_logits(own.name).train[[asking.rows[place] for place in places]].argmax(1)
    right = sum(int(answer) == label for answer, label in zip(answers, known, strict=True))
    return f"The lab's own teacher, {own.title}, is right on {right / len(known):.1%} of the same texts."


def _download(asking: Asking) -> None:
    data = find_dataset(asking.dataset)
    if data is None or not asking.answers:
        return
    classes = data.classes
    st.download_button(
        "Answers (CSV)",
        lambda: answers_csv(asking.texts, classes, asking.answers),
        "kdlab-api-answers.csv",
        "text/csv",
        key="api-csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption("Columns: text, label, probability; texts without a class are left out.")
    _as_a_teacher(asking)


def _as_a_teacher(asking: Asking) -> None:
    """The answers become a teacher, once; then the way to Distill."""
    place = st.container()
    taught = asking.taught and visitor_sets.may_read(teacher_card(asking.taught)["dataset"], visitor_id())
    if not taught:
        place.markdown(
            "**Learn from it**: the texts that it answered become a data set of yours, with the labels that are known, and its "
            "answers the teacher. Texts without a class are left out."
        )
        with place:
            ask_button("Make it a teacher", TEACH, True, icon=":material/school:")
        if TEACH not in asked():
            return
        try:
            with place, st.spinner("Sorting texts and answers"):
                del asked()[TEACH]
                asking.taught = make_teacher(asking, visitor_id())
        except (TooFewAnswersError, TextsGoneError, ModelMissing) as fault:
            place.warning(as_it_is(str(fault)), icon=":material/playlist_add:")
            return
        except OSError as error:
            place.error(f"It cannot be kept: {as_it_is(str(error))}", icon=":material/folder_off:")
            return
        st.rerun()  # the card of the new data set stands above
    card = teacher_card(asking.taught)
    place.markdown(
        f"**{as_it_is(card['title'])}** is a teacher now: right on {share(card['test_accuracy'])} of {card['test_size']:,} test "
        f"texts. Its card stands under *Your own texts and teacher*."
    )
    with place:
        way_to_distill(card["dataset"], card["name"])
