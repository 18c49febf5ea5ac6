"""A text under the teacher: token by token, how undecided it is, where a student parts from it, and what both expect next."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kdlab.data.home import HomeError
from kdlab.models.language_teachers import language_teacher_title, language_teachers
from kdlab.models.own_tokens import OwnTokens, own_tokens
from kdlab.runs.recorded import is_recorded, recorded_run
from kdlab.runs.store import Run
from kdlab.runs.text_recipes import Race
from kdlab.runs.text_students import TextStudent, student_logits, students_of
from kdlab.ui.language.asked_text import AskedText
from kdlab.ui.language.colours import COLOURINGS, coloured_tokens, colourings_for, worth_a_look
from kdlab.ui.language.passages import passages_of
from kdlab.ui.language.prompt import own_prompt
from kdlab.ui.language.soft_tokens import show_soft_tokens
from kdlab.ui.look.style import arm_role
from kdlab.ui.url_state import adopt, arriving, as_it_is, literal, place_of, publish, url_choice
from kdlab.ui.widgets.token_text import token_text

OWN, ALONE = "own", "none"


def show_token_text(run: Run | None = None, *, prefix: str = "") -> None:
    """Draws the section: teacher, passage and student to choose, then the text with the soft targets beside it.

    run: whose students stand beside the teacher; the recorded race's where it left none, or is none of texts. prefix: of the widgets and of what the
    address says (``read_by``, ``passage``, ``typed``, ``beside``, ``colour``, ``token``, ``at_T``), where a page shows several.
    """
    run = run if run is not None and students_of(run) else recorded_race()
    begin = Race() if run is None else run.spec
    st.header("A text under the teacher", anchor=False)
    st.markdown(
        "A language model answers after **every token**, and each answer is a distribution over thousands: so many soft targets "
        "are in one line of text. The colour says where there is something to learn; choose a token to see what follows it."
    )
    notes = st.container()  # always there, so that what follows keeps its place
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        teachers = {one.name: one.title for one in language_teachers()}
        teacher = _chosen(f"{prefix}read_by", "Teacher", teachers, begin.teacher if begin.teacher in teachers else Race().teacher)
        beside = _beside(run, teacher, prefix)
    try:
        with st.spinner("Reading the text's tokens", show_time=True):
            tokens = own_tokens(teacher, begin.dataset)
        text = _read(teacher, begin.dataset, tokens, prefix)
    except (ValueError, HomeError, OSError) as problem:
        notes.warning(as_it_is(_words(problem)), icon=":material/block:")
        return
    if text is None:
        return
    if beside is None:
        notes.caption(_why_alone(run, teacher))
    else:
        text = _with_student(text, beside, notes)
    show_asked_text(text, prefix=prefix)


def recorded_race() -> Run | None:
    """The race that is recorded; None where none is."""
    return recorded_run(Race.recipe)[0] if is_recorded(Race.recipe) else None


def show_asked_text(text: AskedText, *, prefix: str) -> None:
    """A text that teacher and perhaps student have read: its tokens in their colours, and beside them the soft targets after one."""

    def under_the_hand() -> None:
        left, right = st.columns([1.5, 1], gap="large")
        with left:
            colouring = _colouring(text, prefix)
            place = _place(text, colouring, prefix)
            way = COLOURINGS[colouring]
            token_text(
                "The text, token by token",
                coloured_tokens(text, colouring),
                key=f"{prefix}text",
                chosen=place,
                on_pick=lambda picked: st.session_state.update({f"{prefix}token": picked}),
                legend=way.legend(),
                of=way.of,
            )
        with right:
            show_soft_tokens(text, place, prefix=prefix)

    st.fragment(under_the_hand)()


def _read(teacher: str, corpus: str, tokens: OwnTokens, prefix: str) -> AskedText | None:
    """The text that is chosen, as the teacher has read it; None while there is none. Raises ValueError."""
    passages = passages_of(teacher, corpus, tokens)
    titles = {name: one.title for name, one in passages.items()} | {OWN: "Your own text"}
    key = f"{prefix}passage"
    notice = url_choice(key, titles, next(iter(titles)))
    name = st.segmented_control("Text", list(titles), key=key, format_func=titles.__getitem__, required=True, wrap=True)
    if notice:
        st.warning(notice, icon=":material/link_off:")
    publish(key, None if name == next(iter(titles)) else name)
    if name != OWN:
        one = passages[name]
        return AskedText(one.ids, one.after, tokens.pieces, one.logits())
    found = own_prompt(teacher, corpus, tokens, prefix=prefix)
    return None if found is None else AskedText(found[0].ids, None, tokens.pieces, found[1])


def _beside(run: Run | None, teacher: str, prefix: str) -> TextStudent | None:
    """The student that stands beside the teacher; None where there is none, or the visitor wants none."""
    students = {one.arm: one for one in students_of(run)} if run is not None and run.spec.teacher == teacher else {}
    if not students:
        return None
    titles = {arm: one.label for arm, one in students.items()} | {ALONE: "None"}
    default = "soft_targets" if "soft_targets" in students else list(students)[-1]
    return students.get(_chosen(f"{prefix}beside", "Student beside it", titles, default))


def _with_student(text: AskedText, student: TextStudent, notes: DeltaGenerator) -> AskedText:
    try:
        logits = student_logits(student, text.ids)
    except (ValueError, OSError) as problem:
        notes.warning(f"{as_it_is(_words(problem))} The teacher stands alone.", icon=":material/block:")
        return text
    if logits.shape != text.teacher_logits.shape:
        notes.warning("The student was trained on another vocabulary than this teacher has here. The teacher stands alone.", icon=":material/block:")
        return text
    return replace(text, student_logits=logits, student=student.label, role=arm_role(student.hue, student.label))


def _why_alone(run: Run | None, teacher: str) -> str:
    """Why no student stands beside the teacher. Markdown."""
    if run is not None and run.spec.teacher == teacher and students_of(run):
        return "The teacher stands alone."
    taught = "" if run is None or run.spec.teacher == teacher else f" The students here learned from {as_it_is(language_teacher_title(run.spec.teacher))}."
    return f"No student of this teacher is here, so it stands alone: KL and disagreement need one.{taught}"


def _colouring(text: AskedText, prefix: str) -> str:
    key, titles = f"{prefix}colour", colourings_for(text)
    default = next(iter(titles))
    notice = url_choice(key, titles, default)
    if len(titles) == 1:
        chosen = default
    else:
        chosen = st.segmented_control("Colour", list(titles), key=key, format_func=titles.__getitem__, required=True, wrap=True)
    if notice:
        st.caption(notice)
    publish(key, None if chosen == default else chosen)
    return chosen


def _place(text: AskedText, colouring: str, prefix: str) -> int:
    """The place that is looked at: the one that was picked in this text, else the one that teaches most."""
    key, subject = f"{prefix}token", zlib.crc32(text.ids.tobytes())
    comes = arriving(key)
    last = len(text) - 1
    rejected = adopt(key, None, lambda asked: int(asked) if re.fullmatch(r"[0-9]{1,4}", asked) and int(asked) <= last else None)
    if rejected is not None:
        st.caption(f"The link asked for token “{literal(rejected)}”; this text has 0 to {last}.")
    picked = st.session_state[key]
    if not comes and st.session_state.get(f"{key}-of") != subject:
        picked = st.session_state[key] = None
    st.session_state[f"{key}-of"] = subject
    publish(key, None if picked is None else str(picked))
    return worth_a_look(text, colouring) if picked is None else min(picked, last)


def _chosen(key: str, label: str, titles: dict[str, str], default: str) -> str:
    notice = url_choice(key, titles, default)
    chosen = st.selectbox(label, list(titles), place_of(key, titles), key=key, format_func=titles.__getitem__, width=240)
    if notice:
        st.caption(notice)
    publish(key, None if chosen == default else chosen)
    return chosen


def _words(problem: Exception) -> str:
    """What is told of it; a system's own words name the server's folders."""
    return f"The lab's disk does not give what is needed here ({problem.strerror})." if isinstance(problem, OSError) else str(problem)
