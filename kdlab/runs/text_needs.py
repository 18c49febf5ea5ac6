"""What a run of language models needs beside what comes with the lab: text enough, its teacher, memory; known before it is launched."""

from __future__ import annotations

from kdlab.core.counted import counted
from kdlab.data.corpora import CORPORA
from kdlab.data.home import HomeError
from kdlab.distill.access import SHARE_OF_MEMORY
from kdlab.models.causal_shapes import WINDOW
from kdlab.models.language_teachers import language_teacher_title, why_not_here
from kdlab.models.machine import usable
from kdlab.models.own_tokens import tokens_in
from kdlab.models.shipped_smollm2 import shipped_for
from kdlab.runs.text_spec import TextSpec

_FLOAT16 = 2
_SAID = {"train": "what is trained on", "validation": "what settings are chosen by", "test": "the test"}


def not_ready_because(spec: TextSpec) -> str | None:
    """Why such a run would fail if it began now, and what to do, in sentences; None where nothing is known to be missing.

    A run whose signals all come with the lab does without its teacher.
    """
    if _comes_with_the_lab(spec):
        return None
    try:
        if short := too_short_because(spec.teacher, spec.dataset):
            return short
        if missing := why_not_here(spec.teacher):
            return f"{language_teacher_title(spec.teacher)} itself is asked, for what comes with the lab is not enough for these settings. {missing}"
        return _too_much_because(spec)
    except (ValueError, HomeError) as error:  # a text or a teacher that went a moment ago
        return str(error)


def _comes_with_the_lab(spec: TextSpec) -> bool:
    """Whether what ships of the teacher is enough: tokens that it drew at T = 1, for the windows that there are of them."""
    shipped = shipped_for(spec.teacher, spec.dataset)
    if shipped is None or spec.total_steps * spec.batch_size > len(shipped.draws):
        return False
    return all(
        arm.objective is None or (arm.access.rung == "sampled" and arm.temperature == 1 and arm.text == "corpus") for arm in spec.arms
    )


def too_short_because(teacher: str, corpus: str) -> str | None:
    """Why a text is too short for this teacher's tokens: a split of it does not fill a window. None where all do.

    The lab's own texts are long enough. Errors as `kdlab.models.own_tokens.own_tokens`.
    """
    if corpus in CORPORA:
        return None
    for split, count in tokens_in(teacher, corpus).items():
        if count < WINDOW:
            return (
                f"The text is too short for this teacher's tokens: {_SAID[split]} has {counted(count, 'tokens')}, and a window has "
                f"{WINDOW}. Bring a longer text."
            )
    return None


def signal_bytes(spec: TextSpec) -> int:
    """Bytes of what the teacher says of the windows that such a run reads, as training holds it."""
    windows = min(tokens_in(spec.teacher, spec.dataset)["train"] // WINDOW, spec.total_steps * spec.batch_size)
    return _FLOAT16 * spec.teacher_width * WINDOW * windows


def _too_much_because(spec: TextSpec) -> str | None:
    asked, free = signal_bytes(spec), usable()
    if free is None or asked <= SHARE_OF_MEMORY * free:
        return None
    return (
        f"What the teacher says of {counted(spec.tokens, 'tokens')} fills {asked / 2**20:,.0f} MiB, more than a quarter of the memory "
        f"that is free ({free / 2**20:,.0f} MiB). Lower the number of tokens, or end other programs and runs."
    )
