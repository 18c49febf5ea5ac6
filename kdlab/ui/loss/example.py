"""What the loss is shown on: one example's classes, the teacher's logits for them, and where the student starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import streamlit as st

from kdlab.core import logit_gradients, softmax
from kdlab.models.catalogue import teacher_logits
from kdlab.ui.examples.subjects import Subject, dataset_of
from kdlab.ui.url_state import arriving, forget, publish, url_choice
from kdlab.ui.widgets.live_bars import forget_moves

MOST_CLASSES = 10
SURE = 6.0
FLOOR = 1e-5
"""A probability of 0 that a visitor typed has no logit; this stands in its place."""

STARTS = {
    "nothing": "Student knows nothing",
    "wrong": "is sure and wrong",
    "copy": "copies the teacher",
}
DEFAULT_START = "nothing"


@dataclass(frozen=True)
class LossExample:
    """The likeliest classes of one example, likeliest first, at most `MOST_CLASSES`; the label is among them."""

    classes: tuple[str, ...]
    teacher: np.ndarray
    """(K,) logits, centred: their mean is 0, which no softmax sees."""
    label: int
    labelled: bool
    """False where the example has no label and the teacher's answer stands in for it."""
    left_out: int

    @property
    def corners(self) -> list[int]:
        """The three classes of the triangle: the teacher's first three, the label in place of the third if need be."""
        first = list(range(min(3, len(self.classes))))
        return first if self.label in first else [0, 1, self.label]

    def student(self, start: str) -> np.ndarray:
        """Logits of a student that knows nothing, is sure of a wrong class, or copies the teacher: (K,)."""
        if start == "copy":
            return self.teacher.copy()
        logits = np.zeros(len(self.classes))
        if start == "wrong":
            logits[next(k for k in reversed(self.corners) if k != self.label)] = SURE
        return logits


def example_of(subject: Subject) -> LossExample:
    """The example as the loss page shows it."""
    scores = subject.answer if subject.is_logits else np.log(np.maximum(subject.answer, FLOOR))
    order = subject.order()
    label = int(order[0]) if subject.label is None else subject.label
    shown = order[:MOST_CLASSES].tolist()
    if label not in shown:
        shown[-1] = label
    logits = np.asarray(scores, dtype=np.float64)[shown]
    return LossExample(
        classes=tuple(subject.classes[k] for k in shown),
        teacher=logits - logits.mean(),
        label=shown.index(label),
        labelled=subject.label is not None,
        left_out=len(order) - len(shown),
    )


_SHOWN = "loss-shown"


def forget_moves_of_another_example(example: LossExample) -> None:
    """Drops what was dragged where the visitor has since picked another example, here or on another page.

    Moves that stand in the address of an arrival belong to the example there: they stay.
    """
    now = (example.classes, example.teacher.tobytes(), example.label)
    if st.session_state.get(_SHOWN, now) != now:
        for key in ("zt", "zs"):
            if arriving(key):
                forget(key)
            else:
                forget_moves(key)
    st.session_state[_SHOWN] = now


def choose_start() -> str:
    """Where the student stands before it is dragged."""
    notice = url_choice("start", STARTS, DEFAULT_START)
    start = st.segmented_control(
        "The student",
        list(STARTS),
        key="start",
        format_func=STARTS.get,
        required=True,
        on_change=forget_moves,
        args=("zs",),
        label_visibility="collapsed",
        wrap=True,
    )
    publish("start", None if start == DEFAULT_START else start)
    if notice:
        st.warning(notice, icon=":material/link_off:")
    return start


def soft_norms(
    student: np.ndarray, teacher: np.ndarray, temperatures: np.ndarray, t_squared: bool
) -> np.ndarray:
    """‖T²·(q_T − p_T)/T‖, or without T²: the soft term's gradient before its weight. Logits (K,); result (n,).

    All temperatures at once, as a drag needs it.
    """
    heat = temperatures[:, None]
    gaps = np.linalg.norm(softmax(student, heat) - softmax(teacher, heat), axis=1)
    return gaps * temperatures if t_squared else gaps / temperatures


@dataclass(frozen=True)
class MeanNorms:
    """Means over a teacher's test set, for a student that knows nothing. Before the weights."""

    with_t_squared: np.ndarray
    without: np.ndarray
    limit: float
    supervised: float
    examples: int


@lru_cache(maxsize=8)
def mean_norms(teacher: str, temperatures: tuple[float, ...]) -> MeanNorms:
    """Mean gradient lengths of the soft term at each temperature, and of the supervised term, (n,) and numbers."""
    z_t = teacher_logits(teacher).test.astype(np.float64)
    labels = dataset_of(teacher).load().y_test
    z_s = np.zeros_like(z_t)

    def mean(t_squared: bool) -> np.ndarray:
        gradients = (logit_gradients(z_s, z_t, labels, t, 1.0, t_squared).distillation for t in temperatures)
        return np.array([np.linalg.norm(g, axis=1).mean() for g in gradients])

    centred = z_t - z_t.mean(axis=1, keepdims=True)
    supervised = logit_gradients(z_s, z_t, labels, 1.0, 0.0).supervised
    return MeanNorms(
        with_t_squared=mean(True),
        without=mean(False),
        limit=float(np.linalg.norm(centred / z_t.shape[1], axis=1).mean()),
        supervised=float(np.linalg.norm(supervised, axis=1).mean()),
        examples=len(z_t),
    )


def limit_norm(student: np.ndarray, teacher: np.ndarray) -> float:
    """‖(z_s − z_t)/K‖ of centred logits: what the soft term with T² tends to as T grows."""
    gap = student - student.mean() - (teacher - teacher.mean())
    return float(np.linalg.norm(gap) / len(gap))
