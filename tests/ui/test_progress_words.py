"""What the page says of a run's progress is what its result holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdlab.ui.run.source import recorded
from kdlab.ui.run.words import progress_words


@pytest.mark.parametrize(("group_size", "said"), [(4, ", 4 of 15 students at once"), (15, None), (None, None)])
def test_students_that_did_not_all_train_at_once_are_counted(group_size: int | None, said: str | None) -> None:
    shown = recorded()
    result = {name: value for name, value in (shown.run.result or {}).items() if name != "group_size"}
    if group_size is not None:
        result["group_size"] = group_size
    words = progress_words(replace(shown, run=replace(shown.run, result=result)), None)
    assert (said in words) if said else ("at once" not in words)
