"""Which values a live slider can take, and what it accepts from a URL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from kdlab.runs.recipes import ThreeArms
from kdlab.ui.loss.sections import choose_kd_weight, choose_temperature
from kdlab.ui.widgets import field_slider
from kdlab.ui.widgets.live_slider import _Span

LINEAR = _Span(0, 1, 0.01, "linear")
TEMPERATURE = _Span(0.5, 20, 0.1, "log")
RATE = _Span(1e-5, 0.1, None, "log")


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([LINEAR, TEMPERATURE, RATE]))
def test_snapping_stays_in_range_and_settles_at_once(value, span):
    snapped = span.snap(value)
    assert span.low <= snapped <= span.high
    assert span.snap(snapped) == snapped


def test_linear_values_lie_on_the_step_without_binary_noise():
    assert LINEAR.snap(0.30000000000000004) == 0.3
    assert LINEAR.snap(0.296) == 0.3


def test_log_values_have_two_significant_digits():
    assert TEMPERATURE.snap(4.449) == 4.4
    assert TEMPERATURE.snap(13.7) == 14
    assert RATE.snap(0.0012345) == 0.0012


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "", "four", "0.49", "20.1", "1e999", "-3", "4,0", "٤x"]
)
def test_a_url_value_that_does_not_fit_is_refused(text):
    assert TEMPERATURE.read(text) is None


def test_a_url_value_that_fits_is_read():
    assert TEMPERATURE.read("0.5") == 0.5
    assert TEMPERATURE.read(" 20 ") == 20
    assert RATE.read("2e-3") == 0.002


def test_a_slider_without_room_is_refused():
    with pytest.raises(ValueError, match="below"):
        _Span(2, 2, 1, "linear")
    with pytest.raises(ValueError, match="log"):
        _Span(0, 1, None, "log")


def test_the_notice_names_the_value_that_the_slider_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    app = AppTest.from_file(Path(__file__).parents[2] / "kdlab" / "main.py", default_timeout=30)
    for name, value in {"dataset": "digits", "labels": "800", "transfer": "500"}.items():
        app.query_params[name] = value
    app.switch_page("../pages/distill.py").run()
    shown = [
        json.loads(component.proto.json) for component in app.get("bidi_component") if component.proto.json
    ]
    (transfer,) = (slider for slider in shown if slider.get("label") == "Transfer set")
    assert transfer["value"] == 0
    assert transfer["notice"] == "The link asked for “500”, but only 0 fits. Here is 0."


def test_temperature_and_kd_weight_have_the_range_of_a_run_on_the_loss_page_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {}
    monkeypatch.setattr(
        field_slider, "live_slider", lambda _, *, key, value, **range_: asked.update({key: range_}) or value
    )
    assert (choose_temperature(), choose_kd_weight()) == (4, 0.5)
    for here, field in (("T", "temperature"), ("w", "kd_weight")):
        field_slider.field_slider(ThreeArms.model_fields[field], field)
        of_a_run = asked[field] | {"help": asked[here]["help"]}
        assert asked[here] == of_a_run
        with pytest.raises(ValidationError):
            ThreeArms(**{field: asked[here]["max_value"] + 0.1})
        ThreeArms(**{field: asked[here]["max_value"]})
