"""The list of runs: what each was, what it showed, what one can take from it, and two of them to compare."""

from __future__ import annotations

import json
import time
from pathlib import Path

import streamlit as st

from kdlab.core.counted import counted
from kdlab.distill.arms import Arm
from kdlab.lessons.path import DISTILL
from kdlab.runs.comparison import best_supported, compare, on_the_same, scores_of
from kdlab.runs.listing import Which
from kdlab.runs.store import UNDO_FOR, NotYoursError, Run, Store, StoreError
from kdlab.runs.stored import UnreadableRun
from kdlab.server.identity import visitor_id
from kdlab.ui.run.downloads import points_csv, student_download
from kdlab.ui.run.on_show import page_of
from kdlab.ui.run.titles import run_title, state_words
from kdlab.ui.run.verdict_words import headline
from kdlab.ui.runs.compare_runs import open_comparison
from kdlab.ui.runs.narrowing import narrowing, none_found, page_number
from kdlab.ui.widgets.ask_button import ask_button, asked

OPEN, COMPARE = "open", "compare"
_TICKED = "ticked-runs"  # ids, kept while other pages of the list are on show
_DELETED = "deleted-runs"  # id -> its title, and until when its deletion can be undone


def run_list(store: Store) -> None:
    """A page of runs as rows, newest first; two that are ticked, on whichever page, lead to their comparison."""
    st.html(f"<style>{Path(__file__).with_suffix('.css').read_text(encoding='utf-8')}</style>")
    _stop_waiting(store, store.count(Which(owner=visitor_id(), state="queued")))
    which = narrowing()
    count = store.count(which)
    if not count:
        st.info(f"{none_found(which)} Launch one on the Distill page; it appears here with its curves and its student.")
        st.page_link(DISTILL.script, label="To Distill", icon=":material/rocket_launch:")
    rows = st.container()
    number = page_number(count)
    with rows:
        for run in store.page(which, number):
            if isinstance(run, UnreadableRun):
                _unreadable_row(run, store)
            else:
                _row(run, store)
    with st.container(key="at-hand", gap="xxsmall"):  # stays in view however long the list is
        _compare_bar(_ticked(store))
        _undo_bar(store)
    asked().pop(OPEN, None)  # the run is on this page of the list no more


def _stop_waiting(store: Store, waiting: int) -> None:
    def stop() -> None:
        try:
            stopped = store.cancel_queued(visitor_id())
        except StoreError as error:
            st.toast(str(error))
        else:
            st.toast(f"Stopped {counted(stopped, 'runs')} that waited.")

    if waiting:
        count = "queued run" if waiting == 1 else f"{waiting} queued runs"
        st.button(f"Stop your {count}", key="stop-queued", icon=":material/stop_circle:", on_click=stop)


def _row(run: Run, store: Store) -> None:
    title, short = run_title(run), run.id[:4]
    with st.container(border=True, key=f"run-{run.id}"):
        words, buttons = st.columns([9, 4], vertical_alignment="center")
        with words, st.container(gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.session_state[_tick_key(run.id)] = run.id in st.session_state.get(_TICKED, ())
                st.checkbox(
                    f"Compare {title}, {short}",
                    key=_tick_key(run.id),
                    on_change=_tick,
                    args=(run.id,),
                    label_visibility="collapsed",
                    disabled=run.result is None,
                )
                st.header(title, anchor=False, width="stretch")
            st.markdown(f"{state_words(run)} · {_owner(run)} · {_when(run)} · {short}  \n{_result(run)}")
        # What stands in :small is read out and not seen: every button says which run it is of.
        with buttons, st.container(horizontal=True, horizontal_alignment="right"):
            named = f":small[{title}, {short}]"
            ask_button(f"Open {named}", OPEN, run.id, key=f"open-{run.id}", icon=":material/open_in_full:")
            if asked().get(OPEN) == run.id:
                del asked()[OPEN]
                st.switch_page(page_of(run).script, query_params={"run": run.id})
            with st.popover(f"More {named}", icon=":material/more_horiz:"):
                _downloads(run, store)
                _delete_button(run, title, store)


def _unreadable_row(run: UnreadableRun, store: Store) -> None:
    """What is left of a run that this lab cannot read: why, and all that is stored of it."""
    title, short = "Unreadable run", run.id[:4]
    with st.container(border=True, key=f"run-{run.id}"):
        words, buttons = st.columns([9, 4], vertical_alignment="center")
        with words, st.container(gap="xsmall"):
            with st.container(horizontal=True):  # as in the other rows, where the tick stands beside it
                st.header(title, anchor=False, width="stretch")
            st.markdown(f":material/help_center: Kept as it is · {_owner(run)} · {_when(run)}")
            st.text(f"{short}: {run.fault}")  # what is stored may be anything: as text it stays text
        with (
            buttons,
            st.container(horizontal=True, horizontal_alignment="right"),
            st.popover(f"More :small[{title}, {short}]", icon=":material/more_horiz:"),
        ):
            st.download_button(
                "All that is stored (JSON)",
                run.raw,
                f"kdlab-{run.id}-raw.json",
                "application/json",
                key=f"raw-{run.id}",
                on_click="ignore",
            )
            _delete_button(run, title, store)


def _delete_button(run: Run | UnreadableRun, title: str, store: Store) -> None:
    if run.owner == visitor_id() and not run.active:
        st.button(
            "Delete",
            key=f"delete-{run.id}",
            icon=":material/delete:",
            on_click=_delete,
            args=(run.id, title, store),
        )


def _tick_key(run_id: str) -> str:
    return f"compare-{run_id}"


def _tick(run_id: str) -> None:
    others = [ticked for ticked in st.session_state.get(_TICKED, ()) if ticked != run_id]
    st.session_state[_TICKED] = [*others, run_id] if st.session_state[_tick_key(run_id)] else others


def _untick_all() -> None:
    st.session_state.pop(_TICKED, None)


def _ticked(store: Store) -> list[Run]:
    """The runs ticked for comparison, on whichever page, newest first."""
    found = [store.get(run_id) for run_id in st.session_state.get(_TICKED, ())]
    return sorted(filter(None, found), key=lambda run: run.created, reverse=True)


def _compare_bar(ticked: list[Run]) -> None:
    if not ticked:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="compare-bar"):
        if len(ticked) == 1:
            st.markdown("One run is ticked: tick a second to compare them.")
        elif len(ticked) > 2:
            st.markdown(f"{len(ticked)} runs are ticked; a comparison is of two.")
        elif not on_the_same(*ticked):
            st.markdown(f"These two are on different data: their {scores_of(*ticked)} do not compare.")
        else:
            st.markdown("Two runs are ticked.")
            ask_button(
                "Compare these two", COMPARE, True, type="primary", icon=":material/compare:", key="compare-these"
            )
            if asked().pop(COMPARE, None):
                _untick_all()
                open_comparison(*reversed(ticked))  # the older one first: the newer is what was changed
        st.button("Untick", key="untick", icon=":material/close:", on_click=_untick_all)


def _undo_bar(store: Store) -> None:
    """What was deleted a moment ago, and the button that brings it back."""
    deleted: dict[str, tuple[str, float]] = st.session_state.get(_DELETED, {})
    for run_id in [run_id for run_id, (_, until) in deleted.items() if until < time.time()]:
        del deleted[run_id]
    for run_id, (title, _) in deleted.items():
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"deleted-{run_id}"):
            st.markdown(f"Deleted: {title}. It is gone for good in {UNDO_FOR:.0f} seconds.")
            st.button(
                f"Undo :small[the deletion of {title}, {run_id[:4]}]",
                key=f"undo-{run_id}",
                icon=":material/undo:",
                on_click=_undelete,
                args=(run_id, store),
            )

    def until_over() -> None:
        if any(until < time.time() for _, until in deleted.values()):
            st.rerun()

    if deleted:
        st.fragment(until_over, run_every=1)()


def _delete(run_id: str, title: str, store: Store) -> None:
    try:
        gone = store.delete(run_id, visitor_id())
    except (NotYoursError, StoreError) as error:
        st.toast(str(error))
    else:
        if gone:
            st.session_state.setdefault(_DELETED, {})[run_id] = (title, time.time() + UNDO_FOR)


def _undelete(run_id: str, store: Store) -> None:
    try:
        back = store.undelete(run_id, visitor_id())
    except StoreError as error:
        st.toast(str(error))
        return
    st.session_state.get(_DELETED, {}).pop(run_id, None)
    if not back:
        st.toast("This run is gone for good: the time to undo was over.")


def _downloads(run: Run, store: Store) -> None:
    st.download_button(
        "Points (CSV)", lambda: points_csv(store.points(run.id), run.spec), f"kdlab-{run.id}.csv", "text/csv", key=f"csv-{run.id}", on_click="ignore"
    )
    # Of a steered run the spec alone does not give the run again.
    steered = {"steered": run.steering} if run.steering else {}
    spec = json.dumps(run.spec.model_dump() | steered, indent=2)
    st.download_button(
        "Spec (JSON)",
        spec,
        f"kdlab-{run.id}.json",
        "application/json",
        key=f"json-{run.id}",
        on_click="ignore",
    )
    for arm in _worth_taking_first(run):
        student_download(run, arm)


def _worth_taking_first(run: Run) -> list[Arm]:
    """All arms: the one that the verdict says to take, or else the one that the run asks about, then the others."""
    spec = run.spec
    best = None if run.result is None else best_supported(spec, compare(spec, run.result))
    first = best or (spec.contrasts[0].minuend if spec.contrasts else spec.arms[-1].key)
    return sorted(spec.arms, key=lambda arm: arm.key != first)


def _owner(run: Run | UnreadableRun) -> str:
    return "you" if run.owner == visitor_id() else "others"


def _when(run: Run | UnreadableRun) -> str:
    seconds = time.time() - run.created
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def _result(run: Run) -> str:
    if run.result is None:
        return f":small[{run.message or f'step {run.step:,} of {run.steps:,}'}]"
    found = compare(run.spec, run.result)
    means = ", ".join(f"{arm.label} {found.metric.said(float(found.score[arm.key].mean))}" for arm in run.spec.arms)
    return f"{headline(run)}  \n:small[{means}]"
