"""The sentences of the section on unlike vocabularies, made from its numbers. Bold as in `live_plot`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdlab.core.counted import counted
from kdlab.ui.examples.words import percent
from kdlab.ui.language.estimator_bench import TEACHER_PLACE, WORDS
from kdlab.ui.language.vocabulary_charts import RANKS, ranked
from kdlab.ui.language.vocabulary_readers import Compared, Cut, Exchange, Reading, seen
from kdlab.ui.look.numbers import number

_LONGEST = 24  # letters of the text that are told

INTRODUCTION = (
    "A student with another tokenizer has other tokens: of the teacher’s probabilities none has a partner among its own. But "
    "both write the same **bytes**. Wherever tokens of both end at the same byte, what the two say can be laid side by side, and "
    "**ULD** compares it without asking for names: both sets of probabilities are sorted, and the largest is held against the "
    "largest, the second against the second, and so on."
)
SOURCES = (
    "ULD: Boizard et al. 2024, [arXiv 2402.12030](https://arxiv.org/abs/2402.12030). Its code pairs tokens by their place in the "
    "row, a reader found, and did worse than training on the teacher’s text "
    "([llm-recipes#3](https://github.com/Nicolas-BZRD/llm-recipes/issues/3)). By bytes: "
    "[trl#5885](https://github.com/huggingface/trl/pull/5885); a group’s last distribution and not its first: asked in "
    "[trl#5152](https://github.com/huggingface/trl/issues/5152), mended in [trl#5905](https://github.com/huggingface/trl/pull/5905)."
)


def group_words(reading: Reading, group: int) -> str:
    """What stands in a group, and what either has read when it is asked for the group's last token."""
    sides, parts = reading.sides(), reading.parts(group)
    told = [f"{counted(len(part), 'tokens')} of {reader.title}" for (reader, _), part in zip(sides, parts, strict=True)]
    known = [_read_before(cut, part[-1]) for (_, cut), part in zip(sides, parts, strict=True)]
    words = f"End {group + 1} of {len(reading.groups)}: {told[0]} over {told[1]}"
    if max(map(len, parts)) == 1:
        return f"{words}, the same bytes. Both have read the same before: {known[0]}."
    return (
        f"{words}. Each is asked for its last token there (darker), and they have not read the same: "
        f"{sides[0][0].title} {known[0]}, {sides[1][0].title} {known[1]}."
    )


def compared_words(reading: Reading, compared: Sequence[Compared], group: int) -> str:
    """ULD at a group's end, its first terms, and its mean over the sentence."""
    now = compared[group]
    largest = [ranked(p, reader.names(), 1)[0] for p, reader in zip((now.p, now.q), reading.readers, strict=True)]
    (teacher_token, p), (student_token, q) = ((name.replace("**", "*\u200b*"), share) for name, share in largest)
    first = float(np.abs(_falling(now.p) - _falling(now.q)).sum())
    same = "the same" if teacher_token == student_token else "it does not matter that these are two"
    return (
        f"**ULD is {number(now.value)} here**, of at most 2. It starts with |{percent(p)} − {percent(q)}|, the teacher’s “{teacher_token}” "
        f"against the student’s “{student_token}”, {same}; the {RANKS} likeliest make {number(first)} of it. {len(now.p):,} "
        f"probabilities stand against {len(now.q):,}, filled up with zeros. Mean over the {counted(len(compared), 'ends')} of this "
        f"sentence: {number(float(np.mean([one.value for one in compared])))}."
    )


def compared_alt(reading: Reading, compared: Compared) -> str:
    """The likeliest tokens of both, rank by rank."""
    teacher, student = reading.readers
    pairs = zip(ranked(compared.p, teacher.names()), ranked(compared.q, student.names()), strict=False)
    listed = "; ".join(f"{i}: “{one}” {percent(p)}, “{other}” {percent(q)}" for i, ((one, p), (other, q)) in enumerate(pairs, 1))
    return f"The likeliest tokens by rank, {teacher.title} and {student.title}: {listed}."


def blind_words(found: Exchange) -> str:
    """That ULD does not see who has which probability, with exact numbers."""
    names = list(WORDS.values())
    return (
        f"**ULD is blind to who is who.** In SmolLM2’s answer after “{TEACHER_PLACE}” ten words change places, “{names[0]}” with "
        f"“{names[-1]}”, “{names[1]}” with “{names[-2]}” and so on. ULD between the two is **{found.uld:g}**, exactly: sorted, they are "
        f"the same. KL is **{found.kl:.2f} nats**. A student with ULD 0 may say “{names[-1]}” where its teacher says “{names[0]}”."
    )


def silent_words(reading: Reading) -> str:
    """Why nothing is compared for this text."""
    silent = [reader.title for reader, cut in reading.sides() if reader.says(cut) is None]
    return (
        f"What {' and '.join(silent)} would say of this text is not at hand, so only the tokens are shown and not the probabilities "
        "that ULD compares."
    )


def _read_before(cut: Cut, place: int) -> str:
    """The end of the text that a model has read before a place, quoted."""
    before = b"".join(cut.pieces[:place])
    if not before:
        return "nothing"
    text = "".join(seen(c) if c in "\n\r\t" else c for c in before.decode(errors="replace"))
    return f"“{text}”" if len(text) <= _LONGEST else f"“…{text[-_LONGEST:]}”"


def _falling(probabilities: np.ndarray) -> np.ndarray:
    """The largest ones, (RANKS,)."""
    most = -np.sort(-probabilities)[:RANKS]
    return np.pad(most, (0, RANKS - len(most)))
