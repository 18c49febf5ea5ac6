"""All scores of a run: who looks for a number finds it, with its interval."""

from __future__ import annotations

import html
from pathlib import Path

from kdlab.distill.metrics import TASKS, Metric
from kdlab.runs.comparison import over_seeds
from kdlab.runs.store import Run
from kdlab.ui.look.numbers import minus

STYLE = f"<style>{Path(__file__).with_name('score_table.css').read_text(encoding='utf-8')}</style>"


def score_tables(run: Run) -> str:
    """A finished run's scores as HTML, a small table each, so that a phone shows them too: means over seeds with 95 % intervals."""
    assert run.result is not None
    arms = {arm["key"]: arm for arm in run.result["arms"]}
    tables = []
    for metric in TASKS[run.spec.task].scores:
        if not all(metric.name in arms[arm.key] for arm in run.spec.arms):
            continue
        theirs = run.result["teacher"].get(metric.name)
        rows = [] if theirs is None else [("Teacher", f"{theirs:{metric.form}}")]
        rows += [(arm.label, _said(arms[arm.key][metric.name], metric)) for arm in run.spec.arms]
        body = "".join(f'<tr><th scope="row">{html.escape(who)}</th><td>{said}</td></tr>' for who, said in rows)
        tables.append(f"<table><caption>{metric.axis_title}</caption><tbody>{body}</tbody></table>")
    return f'<div class="kd-scores">{"".join(tables)}</div>'


def _said(values: list[float | None], metric: Metric) -> str:
    found = over_seeds(values, metric)
    if not found.n:
        return "diverged"
    ends = f" ({found.low:{metric.form}} to {found.high:{metric.form}})" if found.n > 1 else ""
    return minus(f"{found.mean:{metric.form}}{ends}")
