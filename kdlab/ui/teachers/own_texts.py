"""A visitor's own texts and teacher: a CSV becomes a data set, a classifier becomes its teacher, Distill takes both."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from kdlab.core.counted import counted
from kdlab.data import visitor_sets
from kdlab.data.home import HomeError
from kdlab.data.labelled_csv import MOST_BYTES, MOST_ROWS, CsvError, read_labelled_csv
from kdlab.data.registry import DATASETS, get_dataset
from kdlab.data.word_pieces import WINDOW, ModelMissing
from kdlab.distill.asking import STOPPED, Asking, asking_of, start, stop
from kdlab.lessons.cards import data_words, size_words, teacher_words
from kdlab.models.added_teachers import is_added
from kdlab.models.catalogue import teacher_card
from kdlab.models.classifier_sources import PLACE, folders_on_offer, hub_allowed, models_folder
from kdlab.models.model_folder import ModelFolderError
from kdlab.server.identity import visitor_id
from kdlab.ui.look.numbers import share
from kdlab.ui.own import own_sets, teachers_on_offer
from kdlab.ui.teachers.way_to_distill import way_to_distill
from kdlab.ui.url_state import as_it_is, literal, shortened
from kdlab.ui.widgets.ask_button import ask_button, asked

HAVE_ANSWER = "have-answer"
_READ = "own-texts-read"
_FAULT = "own-teacher-fault"
_POLL = 0.5  # seconds between two looks at how far a teacher is


@dataclass(frozen=True)
class _Read:
    """What came of the file that was uploaded last."""

    file_id: str
    fault: str = ""
    notes: tuple[str, ...] = ()


def own_texts() -> None:
    """Draws the section: upload, then a card for each of the visitor's data sets."""
    st.header("Your own texts and teacher", anchor=False)
    st.markdown(
        "Bring texts with a label each, and a classifier that knows these labels: it answers for your texts once, and Distill "
        "trains students on what it says. Texts and teacher stay on this lab's machine, unless you ask an API about them, and only "
        "you are shown the texts; whoever has a run's link sees its numbers and the names of the classes."
    )
    try:
        _upload()
        for name, file in own_sets().items():
            with st.container(border=True, key=f"card-{name}"):
                _card(name, file)
        _for_the_labs_texts()
    except HomeError as error:
        st.error(str(error), icon=":material/folder_off:")
    except OSError as error:  # its own words name the server's folders
        st.error(
            f"The lab's disk does not take or give what is needed here ({error.strerror or type(error).__name__}). Try again; if "
            "that does not help, tell the lab's owner.",
            icon=":material/folder_off:",
        )


def _upload() -> None:
    given = st.file_uploader(
        f"A CSV file with the columns text and label, up to {MOST_BYTES / 1e6:.0f} MB and {MOST_ROWS:,} rows",
        type=["csv", "tsv", "txt"],
        key="own-texts",
    )
    if given is None:
        st.session_state.pop(_READ, None)
        return
    read = st.session_state.get(_READ)
    if read is None or read.file_id != given.file_id:
        with st.spinner("Reading the texts"):
            read = st.session_state[_READ] = _taken(given.file_id, given.name, given.getvalue())
    if read.fault:
        st.error(as_it_is(read.fault), icon=":material/upload_file:")
    elif read.notes:
        st.info(" ".join(read.notes), icon=":material/upload_file:")


def _taken(file_id: str, file: str, raw: bytes) -> _Read:
    try:
        table = read_labelled_csv(raw)
        visitor_sets.keep(table, file, visitor_id())
    except (CsvError, ModelMissing) as error:
        return _Read(file_id, fault=str(error))
    return _Read(file_id, notes=table.notes)


def _card(name: str, file: str) -> None:
    data = get_dataset(name)
    left, right = st.columns([5, 1], vertical_alignment="top")
    left.subheader(literal(shortened(file, 60)), anchor=False)
    right.button(
        "Take away",
        key=f"away-{name}",
        icon=":material/delete:",
        help="These texts go from the lab's disk; a set that was made of answers to them has copies, and goes by itself. Runs "
        "keep their numbers and the names of the classes.",
        on_click=visitor_sets.take_away,
        args=(name, visitor_id()),
        width="stretch",
    )
    own = visitor_sets.find(name)
    cut = f" {own.cut:.0%} of the texts go on after the {WINDOW} word pieces that students read." if own and own.cut else ""
    classes = ", ".join(map(as_it_is, data.classes))
    st.markdown(f"{counted(len(data.classes), 'classes')}: {classes}.\n\n{data_words(data)}{cut}")
    _teachers_of(name)
    _teacher_for(name)


def _for_the_labs_texts() -> None:
    texts = {name: data.title for name, data in DATASETS.items() if data.kind != "image"}
    with st.expander("A classifier for the lab's own texts"):
        name = st.segmented_control(
            "Texts", list(texts), default=next(iter(texts)), format_func=texts.get, key="classifier-for", required=True
        )
        st.markdown(f"Its classes: {', '.join(get_dataset(name).classes)}.")
        _teachers_of(name)
        _teacher_for(name)


def _teachers_of(name: str) -> None:
    """The classifiers that the visitor has had answer for a data set."""
    for entry in teachers_on_offer(name):
        if not is_added(entry.name):
            continue
        card = teacher_card(entry.name)
        st.markdown(
            f"Teacher: **{as_it_is(entry.title)}**, {size_words(card)}, right on "
            f"{share(card['test_accuracy'])} of {counted(card['test_size'], 'test texts')}.",
            help=teacher_words(entry.name),
        )
        way_to_distill(name, entry.name)


def _teacher_for(name: str) -> None:
    """How far a teacher is that was asked for, or the field that asks for one."""
    asking = asking_of(visitor_id())
    if asking and asking.goes_on and asking.dataset == name:
        st.fragment(_progress, run_every=_POLL)(name)
        st.button(
            "Stop",
            key=f"stop-{name}",
            icon=":material/stop:",
            help="At its next step. Whole parts of 512 answers are kept: asked again, it goes on after them.",
            on_click=stop,
            args=(visitor_id(),),
        )
        return
    taught = bool(teachers_on_offer(name))
    if not taught:
        st.markdown(f"**It has no teacher yet.** {_how_to_get_one()}")
    refused = asking if asking and asking.state == "refused" and asking.dataset == name else None
    if fault := st.session_state.pop(_FAULT, None) or (refused and refused.words):
        (st.info if fault == STOPPED else st.error)(as_it_is(fault), icon=":material/block:")
    with st.form(f"teacher-of-{name}", border=False):
        source = st.text_input(
            "Another classifier" if taught else "A classifier",
            value=refused.source if refused else "",
            max_chars=200,
            placeholder="a folder, or an id on the hub",
            key=f"source-of-{name}",
            help=_how_to_get_one() if taught else None,
        )
        ask_button(
            "Have it answer",
            HAVE_ANSWER,
            name,
            st.form_submit_button,
            key=f"ask-{name}",
            icon=":material/psychology:",
            disabled=bool(asking and asking.goes_on),
        )
        if asked().get(HAVE_ANSWER) == name:
            del asked()[HAVE_ANSWER]
            try:
                start(source.strip(), name, visitor_id())
            except ModelFolderError as error:
                st.session_state[_FAULT] = str(error)
            st.rerun()
    found = folders_on_offer()
    if found:
        st.caption(f"Folders here: {', '.join(map(literal, found))}")


def _how_to_get_one() -> str:
    folder = "" if models_folder() is None else f" Put the folder into {PLACE}."
    hub = " Or give the id of one on the Hugging Face hub, such as `org/name`: it is fetched." if hub_allowed() else ""
    return (
        "Name a sequence classifier of transformers, in safetensors form, whose labels are called as yours are: fine-tune one with "
        "`AutoModelForSequenceClassification`, then `save_pretrained` it and its tokenizer into one folder." + folder + hub
    )


def _progress(name: str) -> None:
    asked = asking_of(visitor_id())
    if asked is None or not asked.goes_on or asked.dataset != name:
        st.rerun()
    st.progress(asked.done / asked.total if asked.total else 0.0, text=_progress_words(asked))


def _progress_words(asked: Asking) -> str:
    if asked.state == "waiting":
        return "Waiting: it starts up, or another teacher answers just now."
    if asked.done:
        return f"{asked.words}: {asked.done:,} of {counted(asked.total, 'texts')}"
    return f"{asked.words} …"
