"""A live slider for a number that a spec declares: range, step, unit and help stand in its field, once."""

from __future__ import annotations

from typing import Any

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from kdlab.ui.widgets.live_slider import live_slider


def said_of(info: FieldInfo) -> dict[str, Any]:
    """What the field says of itself for the pages: title, unit, step, scale."""
    return dict(info.json_schema_extra or {})  # type: ignore[arg-type]


def span_of(info: FieldInfo) -> dict[str, Any]:
    """The values that the field can take, as `live_slider` and `slider_values` have them."""
    extra = said_of(info)
    low = next(float(bound.ge) for bound in info.metadata if isinstance(bound, Ge))  # type: ignore[arg-type]
    high = next(float(bound.le) for bound in info.metadata if isinstance(bound, Le))  # type: ignore[arg-type]
    return {"min_value": low, "max_value": high, "step": extra.get("step"), "scale": extra.get("scale", "linear")}


def field_slider(
    info: FieldInfo,
    key: str,
    *,
    min_value: float | None = None,
    max_value: float | None = None,
    value: float | None = None,
    title: str = "",
    help: str = "",
    at_rest: bool = False,
) -> float:
    """The slider's value now. min_value, max_value: where the data narrows its range.

    value, title, help: where a page begins elsewhere than a run does, or says more of it. at_rest: as `live_slider` has it.
    """
    extra, span = said_of(info), span_of(info)
    low, high = span["min_value"], span["max_value"]
    low = low if min_value is None else max(low, min_value)
    high = high if max_value is None else max(low + 1, min(high, max_value))
    chosen = live_slider(
        title or extra["title"],
        key=key,
        **span | {"min_value": low, "max_value": high},
        value=min(high, max(low, float(info.default) if value is None else value)),
        help=help or info.description or "",
        unit=extra.get("unit", ""),
        at_rest=at_rest,
    )
    return int(chosen) if info.annotation is int else chosen
