"""A contrast: the difference between two arms that a run is there to show."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Contrast(BaseModel):
    """Minuend minus subtrahend, two arms' keys, in one of the task's metrics, paired over seeds.

    ``words`` is what the difference is called in a sentence, ``label`` in a picture. ``parts`` are the keys of
    contrasts that add up to this one, seed by seed. The first contrast of a run is its question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    minuend: str
    subtrahend: str
    metric: str = "accuracy"
    words: str = Field(min_length=1, max_length=120)
    label: str = Field(min_length=1, max_length=60)
    parts: tuple[str, ...] = ()
