"""A sentence as boxes: each token of either model over the bytes that it writes, in groups that end at the same byte."""

from __future__ import annotations

import html
from pathlib import Path

from kdlab.core.counted import counted
from kdlab.ui.language.vocabulary_readers import Cut, Reading, seen

STYLE = f"<style>{Path(__file__).with_name('vocabulary_boxes.css').read_text(encoding='utf-8')}</style>"
"""Stands on the page once: with every step of a drag it would restyle the whole page."""


def boxes(reading: Reading, group: int) -> str:
    """The groups in the order of the text, the teacher's tokens above the student's; the group on show has a frame. HTML."""
    drawn = "".join(_group(reading, one, one == group) for one in range(len(reading.groups)))
    key = "; ".join(
        f'<b class="kd-{who}-ink">■ {html.escape(reader.title)}</b> {counted(len(cut.pieces), "tokens")}'
        for who, (reader, cut) in zip(("teacher", "student"), reading.sides(), strict=True)
    )
    return (
        f'<p class="kd-cut-key">{key}; {counted(len(reading.groups), "common ends")}</p>'
        f'<div class="kd-cut" role="img" aria-label="{html.escape(boxes_alt(reading, group))}">{drawn}</div>'
    )


def boxes_alt(reading: Reading, group: int) -> str:
    """The boxes in words: either model's tokens of each group."""
    groups = [
        " over ".join(
            " ".join(f"“{seen(cut.pieces[i])}”" for i in part)
            for cut, part in zip((reading.teacher, reading.student), reading.parts(one), strict=True)
        )
        for one in range(len(reading.groups))
    ]
    return (
        f"The sentence in tokens, {reading.readers.teacher.title} over {reading.readers.student.title}, in groups that end at the "
        f"same byte: {'; '.join(groups)}. Framed: group {group + 1}."
    )


def _group(reading: Reading, group: int, now: bool) -> str:
    teacher, student = reading.parts(group)
    size = sum(len(reading.teacher.pieces[i]) for i in teacher)
    rows = _row("teacher", reading.teacher, teacher) + _row("student", reading.student, student)
    return f'<div class="kd-cut-group{" kd-cut-now" if now else ""}" style="--bytes:{size}">{rows}</div>'


def _row(who: str, cut: Cut, part: range) -> str:
    drawn, start = [], 1
    for i in part:
        piece = cut.pieces[i]
        if not piece:
            continue
        end, name = start + len(piece), html.escape(seen(piece))
        whole = _is_whole(piece)
        last = " kd-cut-last" if i == part[-1] else ""
        text = name if whole else f"<small>{name}</small>"
        drawn.append(f'<span class="kd-cut-{who}{last}" style="grid-column:{start}/{end}">{text}</span>')
        start = end
    return "".join(drawn)


def _is_whole(piece: bytes) -> bool:
    """Whether it is letters, none cut in two."""
    try:
        return piece.decode().isprintable()
    except UnicodeDecodeError:
        return False
