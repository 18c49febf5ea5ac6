"""Experiments of other recipes than the lab's own: trained, shown, compared, taken away and deleted as any run."""

from __future__ import annotations

import copy
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from kdlab.distill.arms import Arm
from kdlab.distill.metrics import main_score, metrics_of
from kdlab.distill.objective_catalogue import ForwardKL, LogitMSE
from kdlab.runs import artifacts
from kdlab.runs.contrasts import Contrast
from kdlab.runs.curves import curves, seed_table
from kdlab.runs.execute import execute
from kdlab.runs.points import LIVE, columns_row, point_rows
from kdlab.runs.spec import MadeBy, RunSpec
from kdlab.runs.store import Store
from kdlab.ui.run import charts
from kdlab.ui.run.titles import spec_title

MAIN = Path(__file__).parents[2] / "kdlab" / "main.py"
ME = "me"
SHARED = {"dataset": "digits", "labels": 40, "transfer": 100, "epochs": 2, "seeds": 2, "device": "cpu"}


def two_arms(**settings: object) -> RunSpec:
    """Does matching the raw logits help at all?"""
    alone = Arm(key="alone", label="Alone", hue="labels_only")
    mse = Arm(key="mse", label="Logit MSE", hue="soft_targets", objective=LogitMSE(), kd_weight=0.5, control="alone")
    helps = Contrast(key="helps", minuend="mse", subtrahend="alone", words="Logits against none", label="Logits")
    return RunSpec(
        **(SHARED | settings), arms=(alone, mse), contrasts=(helps,), recipe=MadeBy(name="two_arms")
    )


def seven_arms(**settings: object) -> RunSpec:
    """Six temperatures beside labels only, in accuracy and, for one, in KL."""
    temperatures = (1, 2, 4, 8, 16, 20)
    control = Arm(key="control", label="Labels only", hue="labels_only")
    softened = [
        Arm(
            key=f"t{t}",
            label=f"T {t}",
            hue=str(round(place / 5, 2)),
            objective=ForwardKL(),
            temperature=t,
            kd_weight=0.9,
            control="control",
        )
        for place, t in enumerate(temperatures)
    ]
    contrasts = [
        Contrast(key=arm.key, minuend=arm.key, subtrahend="control", words=f"{arm.label} beside none", label=arm.label)
        for arm in softened
    ]
    nearer = Contrast(
        key="nearer", minuend="t4", subtrahend="control", metric="kl", words="T 4 nearer the teacher", label="KL at T 4"
    )
    return RunSpec(
        **(SHARED | settings),
        arms=(control, *softened),
        contrasts=(*contrasts, nearer),
        recipe=MadeBy(name="temperatures", settings={"temperatures": list(temperatures)}),
    )


RECIPES = {"two arms": two_arms, "seven arms": seven_arms}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("KDLAB_HOME", str(home))
    st.cache_resource.clear()
    return Store()


def trained(store: Store, spec: RunSpec) -> str:
    """A run of this spec; it trains once a module, for the tests look at the same store."""
    for run in store.list_runs():
        if run.spec == spec:
            return run.id
    claim = store.begin(spec, ME)
    assert execute(claim, store)
    return claim.run_id


def open_page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.session_state["visitor_id"] = ME
    for key, value in query.items():
        app.query_params[key] = value
    app.switch_page(f"../pages/{name}.py")
    return app.run()


def words(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.header, *app.markdown, *app.info, *app.caption, *app.error))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("detail", ["Like the teacher?", "Loss terms", "Gradients"])
@pytest.mark.parametrize("result", ["By class", "What it costs", "Where they differ"])
def test_it_is_shown_with_all_its_arms_and_contrasts(store: Store, recipe: str, detail: str, result: str) -> None:
    spec = RECIPES[recipe]()
    app = open_page("distill", run=trained(store, spec), detail=detail, result=result)
    assert not app.exception
    said = words(app)
    assert all(re.search(rf"{re.escape(arm.label)} \d+\.\d%", said) for arm in spec.arms)
    assert all(f"**{contrast.words}:**" in said for contrast in spec.contrasts)


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_is_compared_taken_away_and_deleted(store: Store, recipe: str) -> None:
    first, second = (trained(store, RECIPES[recipe](learning_rate=rate)) for rate in (2e-3, 4e-3))
    app = open_page("runs", compare=f"{first},{second}")
    assert not app.exception
    spec = RECIPES[recipe]()
    assert all(arm.label in words(app) for arm in spec.arms)
    assert "No paired difference" not in words(app)
    table = seed_table(store.points(first), spec)
    assert table is not None
    again = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    assert again["arm"].unique().tolist() == [arm.key for arm in spec.arms]
    assert all(artifacts.student_path(first, arm.key, seed).is_file() for arm in spec.arms for seed in range(2))
    app = open_page("runs", whose="Yours")
    app.button(key=f"delete-{second}").click().run()
    assert not app.exception
    assert store.get(second) is None


@pytest.mark.parametrize("recipe", RECIPES)
def test_its_result_and_its_last_point_agree(store: Store, recipe: str) -> None:
    spec = RECIPES[recipe]()
    run = store.get(trained(store, spec))
    assert run is not None
    assert run.result is not None
    table = seed_table(store.points(run.id), spec)
    assert table is not None
    last = table[table["step"] == table["step"].max()]
    for arm in run.result["arms"]:
        np.testing.assert_allclose(last[last["arm"] == arm["key"]]["accuracy"], arm["accuracy"], atol=1e-6)


def test_what_is_watched_of_fifty_arms_is_small_and_every_seed_is_kept(store: Store) -> None:
    """50 arms × 10 seeds × 60 points: under 300 kB for a tab that watches it."""
    arms = tuple(Arm(key=f"a{n}", label=f"Arm {n}", hue=str(round(n / 49, 3))) for n in range(50))
    spec = RunSpec(**(SHARED | {"seeds": 10}), arms=arms, recipe=MadeBy(name="grid"))
    metrics = list(metrics_of(spec.task))
    values = np.random.default_rng(0).normal(size=(60, len(metrics), 50, 10))
    claim, rows = store.begin(spec, "another"), [(0, "columns", columns_row([arm.key for arm in arms], metrics, 10))]
    for n in range(60):
        where = {"step": n, "epoch": n / 10, "seconds": n / 7}
        live, seeds = point_rows(where, values[n])
        rows += [(2 * n + 1, "point", live), (2 * n + 2, "seeds", seeds)]
    claim.add_points(rows, step=60)
    watched = store.points(claim.run_id, kinds=LIVE)
    assert len(json.dumps(watched)) < 300_000
    found, table = curves(watched, spec), seed_table(store.points(claim.run_id), spec)
    claim.finish("cancelled")
    assert found is not None
    assert table is not None
    np.testing.assert_allclose(found.mean["accuracy"], values[:, metrics.index("accuracy")].mean(-1), atol=1e-6)
    np.testing.assert_allclose(table["accuracy"], values[:, metrics.index("accuracy")].ravel(), atol=1e-6)
    assert len(charts.learning_curves(found, arms, main_score(spec.task), 0.9)["data"]) == 1 + 2 * 50
    assert "Arm 49" in spec_title(spec)


@pytest.mark.parametrize("gone", [1, 2])
@pytest.mark.parametrize("recipe", RECIPES)
def test_students_that_diverged_are_named_and_left_out(store: Store, recipe: str, gone: int) -> None:
    """Of the last arm the first seed, or every seed."""
    spec = RECIPES[recipe]()
    run = store.get(trained(store, spec))
    assert run is not None
    result, key = copy.deepcopy(run.result), spec.arms[-1].key
    assert result is not None
    for seed in range(gone):
        for metric in ("accuracy", "agreement", "kl"):
            result["arms"][-1][metric][seed] = None
        result["arms"][-1]["per_class"][seed] = [None] * 10
    claim, rows = store.begin(spec, ME), store.points(run.id)
    rows += [(rows[-1][0] + 1 + seed, "diverged", {"arm": key, "seed": seed, "step": 1}) for seed in range(gone)]
    claim.finish("done", result=result, points=rows, step=spec.total_steps)
    for tab in ("By class", "What it costs", "Where they differ"):
        app = open_page("distill", run=claim.run_id, result=tab)
        assert not app.exception
    said = " ".join(warning.value for warning in app.warning)
    assert f"diverged for {gone} of {2 * len(spec.arms)} students" in said
    assert f"{gone} of {spec.arms[-1].label}" in said
    if gone == 2 and recipe == "two arms":
        assert "**No verdict.**" in words(app)
    assert "nan" not in words(app)
    app = open_page("runs", compare=f"{run.id},{claim.run_id}")
    assert not app.exception
    assert "nan" not in words(app)
    store.delete(claim.run_id, ME)
