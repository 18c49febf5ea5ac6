"""What each arm of a ladder took: bytes, parameters beside its student, steps, seconds; and where it stood at equal time."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

from kdlab.distill.metrics import Metric
from kdlab.runs.comparison import in_words
from kdlab.runs.equal_time import EqualTime
from kdlab.runs.ladder import ALL
from kdlab.runs.spec import RunSpec
from kdlab.ui.look.numbers import size

_HEADS = ("Arm", "Bytes a query", "Parameters beside the student", "Steps", "Teacher", "Student")


def taken_table(
    spec: RunSpec,
    costs: Mapping[str, Mapping[str, float]],
    student: int,
    then: EqualTime | None,
    metric: Metric,
) -> str:
    """An HTML table, a row an arm. costs: as `kdlab.runs.rung_costs.rung_costs` gives them; student: its parameters.

    then: the arms at equal time, whose steps and differences from logits come as two more columns.
    """
    differences = {} if then is None else then.differences(ALL)
    heads = (
        [*_HEADS]
        if then is None
        else [*_HEADS, f"Steps by {then.seconds:.1f} s", f"{metric.title} then, against logits"]
    )
    body, unknown = "", not any(cost["teacher_seconds"] for cost in costs.values())  # behind an API
    for arm in spec.arms:
        cost = costs.get(arm.key)
        if cost is None:
            continue
        cells = [
            size(8 * cost["bytes"]),
            f"{cost['extra_parameters']:,.0f}" if cost["extra_parameters"] else "none",
            f"{spec.total_steps:,}",
            "its provider's" if unknown and arm.objective else f"{cost['teacher_seconds'] * (spec.labels + spec.transfer):,.1f} s",
            f"{cost['student_seconds'] * spec.total_steps:,.1f} s, {1e3 * cost['student_seconds']:.1f} ms a step",
        ]
        if then is not None:
            cells.append(f"{then.steps[arm.key]:,.0f}" if arm.key in then.steps else "")
            cells.append(in_words(differences[arm.key], metric.name) if arm.key in differences else "")
        told = "".join(
            f'<td data-head="{html.escape(head)}">{html.escape(cell)}</td>'
            for head, cell in zip(heads[1:], cells, strict=True)
        )
        body += f'<tr><th scope="row">{html.escape(arm.label)}</th>{told}</tr>'
    css = Path(__file__).with_name("ladder_table.css").read_text(encoding="utf-8")
    head = "".join(f'<th scope="col">{html.escape(one)}</th>' for one in heads)
    return (
        f'<style>{css}</style><table class="kd-taken"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"<p>All arms take the same steps; a student has {student:,} parameters. What stands beside it is thrown away when "
        "training ends: the student that is kept is as large as every other.</p>"
    )
