"""A teacher behind an API: the endpoint, what to ask, what that takes, then the answers as they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st
from pydantic import SecretStr

from kdlab.core.counted import counted
from kdlab.data.home import HomeError, home
from kdlab.data.registry import DATASETS, get_dataset
from kdlab.data.visitor_sets import sets_of
from kdlab.models.api_allowance import Allowance
from kdlab.models.api_asking import LONGEST_PAUSE, Asking, asking_of, begin
from kdlab.models.api_cost import Price
from kdlab.models.api_teacher import ApiTeacher
from kdlab.models.endpoint import Endpoint, EndpointError, allowed_hosts
from kdlab.models.multiple_choice import LETTERS
from kdlab.server.identity import visitor_id
from kdlab.ui.teachers.endpoint_answers import watch
from kdlab.ui.teachers.endpoint_words import estimate_words
from kdlab.ui.url_state import as_it_is, place_of, publish, url_choice
from kdlab.ui.widgets.ask_button import ask_button, asked
from kdlab.ui.widgets.live_slider import live_slider

ASK = "ask-endpoint"
_KEY = "endpoint-key"
_FEWEST = 10
_MINE, _LABS = "Mine", "The lab's"

# Who stands before a class must not be one click away from showing the key.
_NO_REVEALING = '<style>.st-key-endpoint-key button[aria-label$="password"] { display: none; }</style>'

INTRODUCTION = (
    "A model behind an API can teach too: it is sent a text with lettered options and answers with a letter, and some "
    "providers show how likely each letter was. Any endpoint that speaks as OpenAI's does will do. A model server on the "
    "lab's own machine or network is asked only where the lab's owner sets `KDLAB_API_PRIVATE=yes`. What it answers is paid for once: it is kept on the lab's disk, and another asking goes on there."
)
_ABOUT_THE_KEY = (
    "Kept nowhere: it is in this tab until you clear it or leave the page, and goes to that address alone. "
    "Local servers need none."
)


def show_endpoint() -> None:
    """The whole section."""
    st.header("A teacher behind an API", anchor=False)
    st.markdown(INTRODUCTION)
    try:
        hosts = allowed_hosts()
        home()
    except EndpointError as error:
        st.info(str(error), icon=":material/block:")
        return
    except HomeError as error:
        st.error(str(error), icon=":material/folder_off:")
        return
    asked, shown = st.columns([1, 1.7], gap="large")
    with asked:
        endpoint, data = _endpoint(hosts), _data()

        def settings() -> tuple[ApiTeacher | None, list[int], list[str]]:
            """The sliders and what they take; a drag reruns only this."""
            rows, texts = _texts(data)
            teacher = _teacher(endpoint, data)
            if teacher is not None:
                _estimate(teacher, texts)
            return teacher, rows, texts

        working = _commands(data, *st.fragment(settings)())
    with shown:
        watch(asking_of(visitor_id()), working)


def _answers() -> Path:
    """The folder of what was paid for."""
    return home() / "answers"


def _endpoint(hosts: list[str]) -> tuple[Endpoint, Allowance | None] | None:
    """What is typed, or the lab's own with what its owner allows; None, with a sentence, while that is no endpoint."""
    try:
        labs, allowance = Endpoint.from_environment(), Allowance.from_environment(_answers())
    except EndpointError as error:
        labs, allowance = None, None
        st.warning(f"The lab's own endpoint cannot be used. {error}", icon=":material/settings_alert:")
    if labs is not None:
        whose = st.segmented_control("Whose endpoint", (_LABS, _MINE), default=_LABS, key="endpoint-whose", required=True)
        if whose == _LABS:
            st.caption(f"{as_it_is(labs.model)} at {as_it_is(labs.base_url)}. Its key comes from KDLAB_API_KEY and is not shown.")
            if allowance is not None:
                st.caption(f"{allowance.left:,} of {counted(allowance.limit, 'queries')} a day {'is' if allowance.left == 1 else 'are'} left, for all visitors together.")
            return labs, allowance
    if hosts:
        st.caption(f"This lab may ask {', '.join(hosts)} and no other host.")
    url = st.text_input(
        "Base URL", key="endpoint-url", placeholder="https://api.openai.com/v1", persist_state="session", autocomplete="off"
    )
    model = st.text_input("Model", key="endpoint-model", placeholder="gpt-4o-mini", persist_state="session", autocomplete="off")
    st.html(_NO_REVEALING)
    key = st.text_input("Key", key=_KEY, type="password", help=_ABOUT_THE_KEY, autocomplete="off")
    st.button("Clear the key", on_click=_clear_key, disabled=not key, icon=":material/key_off:")
    if not url.strip():
        st.caption("Type the address and the model's name as its provider writes them.")
        return None
    try:
        return Endpoint(url, model, SecretStr(key)), None
    except EndpointError as error:
        st.warning(as_it_is(str(error)), icon=":material/link_off:")
        return None


def _clear_key() -> None:
    """For the button: the key goes, and what asks with it ends."""
    st.session_state[_KEY] = ""
    if asking := asking_of(visitor_id()):
        asking.stop()


def _data() -> str:
    """The data set whose texts are asked about."""
    offered = {name: one.title for name, one in DATASETS.items() if one.kind != "image"} | sets_of(visitor_id())
    sets = {name: get_dataset(name) for name in offered}
    offered = {
        name: title
        for name, title in offered.items()
        if len(sets[name].classes) <= len(LETTERS) and not sets[name].taken_away
    }
    notice = url_choice("ask", offered, "glosses")
    data = st.selectbox(
        "Texts",
        list(offered),
        place_of("ask", offered),
        format_func=offered.__getitem__,
        key="ask",
        help=f"A question has at most {len(LETTERS)} options, A to {LETTERS[-1]}.",
    )
    publish("ask", None if data == "glosses" else data)
    if notice:
        st.caption(notice)
    return data


def _texts(data: str) -> tuple[list[int], list[str]]:
    """Which of the students' texts to ask about, in one order for all: more texts hold the fewer."""
    pool = get_dataset(data).load().text_train or ()
    wanted = live_slider(
        "Texts to ask about",
        key="texts",
        min_value=_FEWEST,
        max_value=max(len(pool), _FEWEST + 1),
        value=50,
        step=10,
        scale="log",
        help="Of those that students train on, drawn at random once for everybody.",
    )
    rows = np.random.RandomState(0).permutation(len(pool))[: int(wanted)].tolist()
    return rows, [pool[row] for row in rows]


def _teacher(asked: tuple[Endpoint, Allowance | None] | None, data: str) -> ApiTeacher | None:
    """The endpoint as a teacher of these classes, with the budget that the sliders say; None without an endpoint."""
    budget = live_slider(
        "Budget of queries",
        key="budget",
        min_value=1,
        max_value=10_000,
        value=200,
        step=1,
        scale="log",
        help="No more than these are sent in one go, the probe among them.",
    )
    at_once = live_slider(
        "Queries at once", key="at_once", min_value=1, max_value=16, value=4, step=1, help="How many are on their way together."
    )
    prompts, answers = st.columns(2)
    paid = [
        place.number_input(title, min_value=0.0, value=None, key=key, persist_state="session")
        for place, title, key in (
            (prompts, "Price of a million prompt tokens", "endpoint-price-prompts"),
            (answers, "Price of a million answer tokens", "endpoint-price-answers"),
        )
    ]
    if asked is None:
        return None
    endpoint, allowance = asked
    price = None if paid == [None, None] else Price(paid[0] or 0.0, paid[1] or 0.0)
    last = asking_of(visitor_id())
    return ApiTeacher(
        endpoint,
        get_dataset(data).classes,
        _answers(),
        budget=int(budget),
        allowance=allowance,
        concurrency=int(at_once),
        price=price,
        probed=None if last is None else last.probed,
    )


def _estimate(teacher: ApiTeacher, texts: list[str]) -> None:
    try:
        st.markdown(estimate_words(teacher.estimate(texts), teacher.budget))
    except EndpointError as error:
        st.error(as_it_is(str(error)), icon=":material/error:")


def _commands(data: str, teacher: ApiTeacher | None, rows: list[int], texts: list[str]) -> bool:
    """The buttons, outside the parts that draw themselves anew. Whether they are those of an asking that goes on."""
    asking = asking_of(visitor_id())
    working = asking is not None and asking.goes_on
    with st.container(horizontal=True):
        idle = teacher is not None and not working
        what = "One query: what does it show?"
        ask_button("Probe", ASK, "probe", disabled=not idle, icon=":material/troubleshoot:", help=what)
        ask_button("Ask", ASK, "texts", disabled=not idle, type="primary", icon=":material/forum:")
        if asking is not None and working:
            if asking.paused:
                st.button("Resume", on_click=asking.go_on, icon=":material/play_arrow:")
            else:
                most = f"A pause of {LONGEST_PAUSE / 60:.0f} minutes ends it; what was answered is kept."
                st.button("Pause", on_click=asking.pause, icon=":material/pause:", help=most)
            st.button("Stop", on_click=asking.stop, icon=":material/stop:", help="What is on its way comes, and is kept.")
    wanted = asked().pop(ASK, None)
    if teacher is None or wanted is None:
        return working
    if wanted == "probe":
        teacher.forget_probe()
        rows, texts = [], []
    try:
        begin(visitor_id(), Asking(teacher, data, rows, texts))
    except EndpointError as error:
        st.warning(as_it_is(str(error)), icon=":material/pending:")
        return working
    st.rerun()
