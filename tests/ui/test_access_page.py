"""The page Access: what a query reveals, the ladder with its recorded run, the claims; nothing of it needs torch."""

from __future__ import annotations

import copy
import gzip
import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from kdlab.distill.metrics import metrics_of
from kdlab.distill.white_box import attention_map
from kdlab.lessons.claims import CLAIMS
from kdlab.models.catalogue import teacher_logits
from kdlab.models.inside_examples import inside_examples
from kdlab.runs import recorded
from kdlab.runs.comparison import compare, in_words
from kdlab.runs.curves import curves, seed_table
from kdlab.runs.equal_time import Clock, at_equal_time, clocks, seed_scores
from kdlab.runs.inside_kept import START, TEACHER, InsideKept, of_arm
from kdlab.runs.ladder import Ladder, ladder
from kdlab.runs.rare_words import by_frequency
from kdlab.runs.recipes import settings_of
from kdlab.runs.recorded import recorded_run
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Store
from kdlab.ui.access import ladder_settings
from kdlab.ui.access.claims import answer
from kdlab.ui.access.ladder_charts import BYTES, RUNGS, SECONDS, Level, ladder_figure, rows
from kdlab.ui.access.ladder_table import taken_table
from kdlab.ui.access.ladder_view import differences_words, means_words
from kdlab.ui.access.look_inside import drawn_attention, likeness_words
from kdlab.ui.access.other_students import with_other_students
from kdlab.ui.access.rare_words import frequency_figure
from kdlab.ui.access.reveals import Rung, rungs
from kdlab.ui.examples import subjects
from kdlab.ui.examples.own_numbers import read_numbers
from kdlab.ui.examples.subjects import dataset_of, showcase
from kdlab.ui.look.numbers import size
from kdlab.ui.run.result_charts import told_by_class
from kdlab.ui.run.verdict_words import sentences

MAIN = str(Path(__file__).parents[2] / "kdlab" / "main.py")


@pytest.fixture(autouse=True)
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))


def page(**query: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=180)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run().switch_page("../pages/access.py").run()


@pytest.mark.parametrize("teacher", ["fashion", "digits", "glosses"])
def test_the_inside_of_every_example_of_the_gallery_is_kept(teacher: str) -> None:
    assert set(showcase(teacher)) <= set(inside_examples(teacher))


def test_a_query_reveals_rung_by_rung_with_its_size() -> None:
    example = showcase("fashion")[0]
    found = {rung.title: rung for rung in rungs("fashion", inside_examples("fashion")[example], subjects.test_subject("fashion", example))}
    assert list(found) == [
        "Label",
        "Label and probability",
        "Top 3",
        "All probabilities",
        "Logits",
        "Hidden states",
        "Attention",
        "Gradients",
        "Weights",
    ]
    assert found["Label"].size == "3.3 bits"
    assert found["Label and probability"].size == "35.3 bits"
    assert found["All probabilities"].size == "40 bytes"
    assert found["Hidden states"].size == "12.5 kB"
    assert found["Attention"].size == "98 bytes"
    assert found["Gradients"].size.startswith("15.7 kB; 20 bytes")
    assert len(rungs("fashion", None, subjects.test_subject("fashion", example))) == 5


def test_maps_of_a_picture_stand_beside_it() -> None:
    example = showcase("fashion")[0]
    subject = subjects.test_subject("fashion", example)
    found = {rung.title: rung for rung in rungs("fashion", inside_examples("fashion")[example], subject)}
    for title in ("Attention", "Gradients"):
        assert f'<img src="{subject.picture}" alt="{subject.name}">' in found[title].drawing
    drawn = next(block.proto.body for block in page().get("html") if "kd-strips" in block.proto.body)
    assert f'<h3>The example</h3><img src="{subjects.picture("fashion", subjects.hesitant("fashion"))}"' in drawn


def test_probabilities_that_were_typed_have_no_logits_and_logits_that_were_have_theirs() -> None:
    def logits_of(text: str, as_logits: bool) -> Rung:
        return rungs(None, None, subjects.vector_subject(read_numbers(text), as_logits))[-1]

    typed = logits_of("0.7, 0.2, 0.1", False)
    assert typed.title == "Logits"
    assert "You typed probabilities" in typed.adds
    assert "Adds" not in typed.adds
    assert "kd-bars" not in typed.drawing
    assert "<dd>7.0</dd>" in logits_of("7, 2, 1", True).drawing


def test_whose_height_the_logits_have_is_said_where_another_page_takes_it_away() -> None:
    answer = subjects.test_subject("fashion", 31)
    logits = next(rung for rung in rungs("fashion", None, answer) if rung.title == "Logits")
    assert f"<dd>{answer.answer.max():.1f}</dd>" in logits.drawing  # as they are
    assert "Loss takes that height away" in logits.adds


def test_a_count_of_one_has_a_singular_noun() -> None:
    example = showcase("digits")[0]
    found = {rung.title: rung for rung in rungs("digits", inside_examples("digits")[example], subjects.test_subject("digits", example))}
    assert "1 position by" in found["Hidden states"].drawing
    app = page(data="digits", labels="10", transfer="0", epochs="1", seeds="1")
    assert any(caption.value.endswith("students × 1 step.") for caption in app.caption)
    distill = app.switch_page("../pages/distill.py").run()
    assert any(caption.value == "3 students × 1 step." for caption in distill.caption)


def test_a_gloss_reveals_its_words_with_what_is_looked_at_and_what_moves_the_answer() -> None:
    example = showcase("glosses")[0]
    inside = inside_examples("glosses")[example]
    text = dataset_of("glosses").load().text_test[example]
    assert "".join(inside.pieces[1:-1]).replace("##", "") == "".join(text.lower().split())
    found = {rung.title: rung for rung in rungs("glosses", inside, subjects.test_subject("glosses", example))}
    assert list(found)[5:] == ["Hidden states", "Attention", "Gradients", "Weights"]
    assert found["Hidden states"].size == size(16 * len(inside.pieces) * 384)
    for title in ("Attention", "Gradients"):
        assert found[title].drawing.count("<span") == len(inside.pieces)
    looked_at = inside.attention.astype(np.float32).mean(0)
    assert looked_at.sum() == pytest.approx(1, abs=0.01)
    assert f"“{inside.pieces[int(looked_at.argmax())]}”" in found["Attention"].drawing
    moving = inside.jacobian[int(subjects.test_subject("glosses", example).answer.argmax())].argmax()
    assert f"“{inside.pieces[int(moving)]}”" in found["Gradients"].drawing


def test_what_belongs_to_other_weights_is_told_and_the_outputs_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdlab.models.inside_examples.weights_sha256", lambda _: "another")
    inside_examples.cache_clear()
    app = page()
    inside_examples.cache_clear()
    assert not app.exception
    assert any("belongs to other data or weights" in warning.value for warning in app.warning)


def test_the_kept_attention_is_the_objectives_map() -> None:
    for one in list(inside_examples("fashion").values())[:3]:
        hidden = torch.from_numpy(one.hidden.astype(np.float32))[None]
        np.testing.assert_allclose(one.attention, attention_map(hidden)[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("teacher", ["fashion", "glosses"])
def test_what_is_kept_inside_gives_the_teachers_own_logits(teacher: str) -> None:
    """The last layer on the mean of the hidden states, but for its bias: one vector for all examples."""
    found = inside_examples(teacher)
    without_bias = np.stack([one.output_weights @ one.hidden.astype(np.float32).mean(0) for one in found.values()])
    logits = np.stack([subjects.test_subject(teacher, number).answer for number in found])
    biases = logits - without_bias
    assert np.abs(biases - biases.mean(0)).max() < 0.02


def test_the_page_teaches_with_no_click() -> None:
    app = page()
    assert not app.exception
    headings = [header.value for header in app.header]
    assert headings[:2] == ["What one query reveals", "Run the ladder"]
    assert "What the lesson claims" in headings
    assert "Black box leaks" in headings
    assert "Scoreboard" in headings
    words = " ".join(block.value for block in app.markdown)
    assert "A run recorded on" in words
    assert "these settings" not in words  # the controls beside it may say others
    assert all(claim.question in words for claim in CLAIMS)


def test_a_run_recorded_on_the_data_that_is_chosen_is_the_one_on_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.loads(gzip.decompress((recorded._FOLDER / "ladder.json.gz").read_bytes())) | {"ended": 0.0}
    (tmp_path / "ladder_glosses.json.gz").write_bytes(gzip.compress(json.dumps(kept).encode()))
    shutil.copy(recorded._FOLDER / "ladder.json.gz", tmp_path)
    monkeypatch.setattr(recorded, "_FOLDER", tmp_path)
    recorded_run.cache_clear()
    recorded.recorded_inside.cache_clear()
    for data, own in (("glosses", True), ("digits", False)):
        words = " ".join(block.value for block in page(data=data).markdown)
        assert "A run recorded on" in words
        assert ("recorded on 1 January 1970" in words) == own
    recorded_run.cache_clear()
    recorded.recorded_inside.cache_clear()


@pytest.mark.parametrize(
    ("data", "trains", "stands_in"),
    [
        ("fashion", "Trains on **Fashion-MNIST**, taught by Fashion CNN.", False),
        ("glosses", "Trains on **WordNet glosses**, taught by MiniLM-L6.", False),
        ("digits", "Trains on **Handwritten digits**", True),
        ("own", "Your own numbers are one answer, and no data to train on: it trains on **Fashion-MNIST**", False),
    ],
)
def test_what_launch_trains_on_is_said_and_whether_a_run_on_it_is_recorded(data: str, trains: str, stands_in: bool) -> None:
    captions = [caption.value.replace("\\", "") for caption in page(data=data).caption]
    assert any(caption.startswith(trains) for caption in captions)
    told = "No run on Handwritten digits is recorded: this one is on Fashion-MNIST."
    assert any(told in caption for caption in captions) == stands_in


def test_the_settings_of_a_ladder_come_back_with_its_link() -> None:
    st.cache_resource.clear()  # the store of another test
    spec = ladder(
        dataset="digits", student="mlp-16", labels=50, transfer=100, k=5, placebos=True, temperature=4.0, learning_rate=0.01
    )
    run_id = Store().enqueue(spec, "ann")
    app = page(run=run_id)
    assert not app.exception
    app.button(key="launch").click().run()
    ours, again = Store().list_runs()
    assert ours.spec == again.spec == spec
    # What a link says of the settings itself holds, and the run on show changes nothing.
    app = page(run=run_id, labels="300")
    app.button(key="launch").click().run()
    assert next(run.spec for run in Store().list_runs() if run.spec != spec).model_dump() == ladder(labels=300).model_dump()


def launched(app: AppTest) -> RunSpec:
    app.button(key="launch").click().run()
    assert not app.exception
    (run,) = Store().list_runs()
    return run.spec


def test_on_glosses_the_ladder_begins_as_the_recorded_one() -> None:
    st.cache_resource.clear()  # the store of another test
    begun = Ladder.beginning("glosses")
    assert launched(page(data="glosses")) == begun.spec()
    of_recorded = settings_of(recorded_run("ladder_glosses")[0].spec, Ladder)
    assert of_recorded is not None
    fields = ("dataset", "teacher", "student", "labels", "transfer", "epochs", "seeds", "temperature", "kd_weight")
    assert [getattr(of_recorded, name) for name in fields] == [getattr(begun, name) for name in fields]


def test_other_data_begin_with_other_settings_and_what_was_chosen_stays() -> None:
    st.cache_resource.clear()  # the store of another test
    app = page(seeds="2")
    app.segmented_control(key="data").set_value("glosses").run()
    begun = Ladder.beginning("glosses")
    assert launched(app) == begun.model_copy(update={"seeds": 2}).spec()
    app.segmented_control(key="data").set_value("fashion").run()
    assert (app.session_state["labels"], app.session_state["student"]) == (Ladder().labels, Ladder().student)
    assert app.session_state["seeds"] == 2


def test_a_run_on_glosses_that_began_otherwise_brings_its_settings() -> None:
    st.cache_resource.clear()  # the store of another test
    spec = ladder(dataset="glosses", teacher="glosses", student="bert-1x64", labels=200, epochs=100, seeds=5)
    app = page(run=Store().enqueue(spec, "ann"))
    app.button(key="launch").click().run()
    assert {run.spec.model_dump_json() for run in Store().list_runs()} == {spec.model_dump_json()}


def test_the_weights_inside_are_set_where_the_rungs_are_open() -> None:
    st.cache_resource.clear()  # the store of another test
    app = page(gradients_times="3")
    assert launched(app) == ladder(gradients_times=3)
    app.selectbox(key="student").set_value("mlp-16").run()
    assert not app.exception
    assert "attention_times" not in app.query_params


def test_what_would_fill_the_memory_is_refused_before_it_is_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    st.cache_resource.clear()  # the store of another test
    monkeypatch.setattr(ladder_settings, "allowed_bytes", lambda: 10**9)
    app = page()
    assert any("asks for 47.1 MB of memory of the 1.0 GB" in caption.value for caption in app.caption)
    monkeypatch.setattr(ladder_settings, "allowed_bytes", lambda: 10**6)
    app.button(key="launch").click().run()
    assert not app.exception
    assert any("may take 1.0 MB, 25% of what is free on this machine now" in warning.value for warning in app.warning)
    assert Store().list_runs() == []


def test_a_student_without_a_hidden_layer_closes_the_inner_rungs_with_the_reason() -> None:
    app = page()
    app.selectbox(key="student").set_value("linear").run()
    closed = [caption.value for caption in app.caption if "is closed" in caption.value]
    assert len(closed) == 2
    assert all("the student has none that" in caption for caption in closed)
    for rung in ("hidden states", "attention"):  # as the ladder's arms are called
        assert f":material/lock: The rung **{rung}** is closed. It needs a hidden layer" in " ".join(closed)
    weights = page()
    assert any(caption.value.startswith("Weights: hidden states ") for caption in weights.caption)
    assert not any("Hint" in caption.value for caption in weights.caption)


def test_the_ladder_is_drawn_against_rungs_bytes_and_seconds() -> None:
    run, points, _ = recorded_run(Ladder.recipe)
    drawn, arms = curves(points, run.spec), run.spec.arms
    assert drawn is not None
    assert run.result is not None
    costs = run.costs
    lines = {arm.key: drawn.line("accuracy", arm.key) for arm in arms}
    levels = {key: Level(float(line.mean[-1]), float(line.half[-1])) for key, line in lines.items()}
    for against in (RUNGS, BYTES, SECONDS):
        found = rows(arms, against, costs, run.spec.total_steps, 700)
        assert {row.key for row in found} == {arm.key for arm in arms}
        figure = ladder_figure(levels, arms, metrics_of("classification")["accuracy"], 0.9, found)
        assert len(figure["data"]) == len(arms)
        assert figure["layout"]["yaxis"]["ticktext"] == [row.name for row in found]
    by_bytes = [row.name for row in rows(arms, BYTES, costs, 800, 700)]
    assert by_bytes[:4] == ["Labels only · 0 bits", "Label · 3.3 bits", "Label, probability · 35.3 bits", "Logits of 2 bits · 10 bytes"]
    assert by_bytes[-1].endswith("12.6 kB")
    by_seconds = [row.key for row in rows(arms, SECONDS, costs, 800, 700)]
    assert by_seconds.index("gradients") > by_seconds.index("logits")


def test_now_is_said_only_while_a_run_goes_on() -> None:
    def drawn(state: str, moving: bool) -> str:
        from dataclasses import replace

        from kdlab.ui.access.ladder_view import ladder_picture
        from kdlab.ui.run.source import recorded

        shown = recorded("ladder")
        run = replace(shown.run, owner="ann", state=state, result=shown.run.result if state == "done" else None)
        ladder_picture(replace(shown, run=run, moving=moving), None)

    def said(state: str, moving: bool) -> str:
        app = AppTest.from_function(drawn, args=(state, moving)).run()
        assert not app.exception
        return " ".join(block.value for block in app.markdown)

    assert said("running", True).startswith("Now the arms' means")
    assert "is said at the end of the run" in said("running", True)
    stopped, done = said("cancelled", False), said("done", False)
    assert stopped.startswith("This run was stopped before its end. At its last point the arms' means")
    assert done.startswith("At the end the arms' means")
    assert not any("Now" in words or "said at the end" in words for words in (stopped, done))


def test_no_switch_is_cut_off_on_a_narrow_screen() -> None:
    switches = page().segmented_control
    assert {"measure", "against", "at"} <= {switch.key for switch in switches}
    assert all(switch.proto.wrap for switch in switches)


def test_arms_are_compared_at_equal_time_on_a_switch() -> None:
    words = " ".join(block.value for block in page().markdown)
    assert "not got to their end" not in words
    app = page(at="At equal time")
    assert not app.exception
    words = " ".join(block.value for block in app.markdown)
    run, points, _ = recorded_run(Ladder.recipe)
    costs, table = run.costs, seed_table(points, run.spec)
    assert table is not None
    then = at_equal_time(*seed_scores(table, "accuracy"), clocks(costs, 700))
    assert then is not None
    first, alone = run.spec.arm(then.ended).label, costs["labels_only"]["student_seconds"] * 800
    assert then.earlier == {"labels_only": pytest.approx(alone)}
    assert f"After **{then.seconds:.1f} s** {first} has taken its 800 steps (Labels only at {alone:.1f} s, as it stands here); 12 of 14 arms" in words
    assert "have not got to their end, gradients the least far" in words
    assert "Against Logits, softened at that time, paired over seeds: Labels only −" in words
    assert any("The run's own clock cannot tell arms apart" in caption.value for caption in app.caption)


def test_each_arm_says_what_it_took_with_what_stands_beside_its_student() -> None:
    run, points, _ = recorded_run(Ladder.recipe)
    assert run.result is not None
    costs, table = run.costs, seed_table(points, run.spec)
    assert table is not None
    accuracy = metrics_of("classification")["accuracy"]
    step, scores = seed_scores(table, "accuracy")
    then = at_equal_time(step, scores, clocks(costs, 700))
    plain, timed = (taken_table(run.spec, costs, 9_098, found, accuracy) for found in (None, then))
    rows_of = re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', timed)
    assert [name for name, _ in rows_of] == [arm.label for arm in run.spec.arms]
    cells = {name: re.findall("<td[^>]*>(.*?)</td>", told) for name, told in rows_of}
    assert cells["+ hidden states"][:3] == ["12.6 kB", "2,048", "800"]
    assert cells["+ attention"][1] == cells["Labels only"][1] == "none"
    assert cells["Logits, softened"][-1] == ""
    assert "points" in cells["+ gradients"][-1]
    assert "a student has 9,098 parameters" in plain
    assert "against logits" not in plain


def test_the_inside_of_the_recorded_students_stands_beside_their_teachers() -> None:
    app = page()
    words = " ".join(block.value for block in app.markdown)
    assert re.search(r"attention is \*\*0\.\d\d\*\* like the teacher's before and \*\*0\.\d\d\*\* after", words)
    drawn = next(block.proto.body for block in app.get("html") if "kd-strips" in block.proto.body)
    assert all(f"<h3>{who}, layer" in drawn for who in ("Teacher", "Student before", "Student after"))
    assert "a map of 7 by 7" in drawn
    assert "Student after: 16 channels" in drawn
    # The layer map: another of the student's layers looks at other places.
    app.selectbox(key="ours").set_value("1").run()
    assert not app.exception
    drawn = next(block.proto.body for block in app.get("html") if "kd-strips" in block.proto.body)
    assert "a map of 14 by 14" in drawn
    assert any("look at other places" in block.value for block in app.markdown)
    app.selectbox(key="theirs").set_value("1").run()
    assert not any("look at other places" in block.value for block in app.markdown)


def test_a_run_that_kept_no_inside_says_what_keeps_one() -> None:
    st.cache_resource.clear()  # the store of another test
    app = page(run=Store().enqueue(ladder(seeds=2), "ann"))
    assert not app.exception
    assert any("kept nothing of what its students hold inside" in block.value for block in app.markdown)


def test_attention_is_drawn_over_the_word_pieces_of_a_text() -> None:
    spec = ladder(dataset="glosses", student="bert-2x64", labels=20, transfer=20)
    number = next(iter(inside_examples("glosses")))
    pieces = inside_examples("glosses")[number].pieces
    attention = np.zeros((32, 32))
    attention[: len(pieces), 2] = 1  # all look to the third
    drawn = drawn_attention(spec, attention, number)
    assert f"it looks most to “{html.escape(pieces[2])}”" in drawn
    assert drawn.count("<span") == len(pieces)


def test_the_claim_of_rare_words_is_answered_from_the_students_answers() -> None:
    spec = ladder(dataset="glosses", student="embedding-bag", labels=20, transfer=20, seeds=3)
    run = replace(recorded_run(Ladder.recipe)[0], spec=spec)
    assert "or of their teacher, are not here" in answer("rare", run)
    teacher = teacher_logits("glosses").test.argmax(-1)
    answers = np.repeat(teacher[None, None], len(spec.arms), axis=0).repeat(3, axis=1)
    answers[:, :, ::2] = (answers[:, :, ::2] + 1) % 10  # half of all is wrong, the same half for all
    inside = [place for place, arm in enumerate(spec.arms) if arm.key == "hidden"]
    if inside:  # the teacher's model is installed
        for seed in range(3):
            answers[inside[0], seed, : 1000 + 50 * seed] = teacher[: 1000 + 50 * seed]
    gone = np.zeros(answers.shape[:2], dtype=bool)
    found = by_frequency(spec, answers, gone)
    said = answer("rare", run, found)
    assert said.startswith("**No: here the black box misses less where words are rare.** Students of logits give their")
    assert ("**Here a look inside the teacher helps there: hidden states.**" if inside else "cannot say whether that mends it") in said
    assert "by how many of the 3,500 training texts" in said
    assert "less than one to 18, in the one with the commonest 42 to 398" in said
    assert "Left out" not in said
    logits = [arm.key for arm in spec.arms].index("logits")
    worse = answers.copy()
    for seed, rarest in enumerate((found.bands[0].rows, found.bands[0].rows[:-9], found.bands[0].rows[9:])):
        worse[logits, seed, rarest] = (teacher[rarest] + 1) % 10
    gone[0, 0] = True
    said = answer("rare", run, by_frequency(spec, worse, gone))
    assert said.startswith("**Yes: here the black box misses more where words are rare.**")
    assert "Left out: 1 student whose training diverged." in said
    one = answer("rare", run, by_frequency(spec, worse[:, :1], gone[:, :1] & False))
    assert one.startswith("**It cannot say: one seed tells nothing of chance.**")
    assert "shown" not in one
    assert "95 %" not in one
    figure = frequency_figure(spec, found, "accuracy")
    assert [trace["name"] for trace in figure["data"]][-1] == "Teacher"
    assert len(figure["data"][0]["y"]) == 4


def test_of_many_arms_those_of_the_question_are_told_by_class() -> None:
    spec = recorded_run(Ladder.recipe)[0].spec
    assert told_by_class(spec) == ("labels_only", "logits", "hidden")
    few = recorded_run()[0].spec
    assert told_by_class(few) == tuple(arm.key for arm in few.arms)


def test_each_claim_is_answered_by_the_run_or_said_to_be_open() -> None:
    run, _, _ = recorded_run(Ladder.recipe)
    assert "On top of its softened logits: hidden states" in answer("accuracy", run)
    assert "against an untrained teacher's" in answer("accuracy", run)
    assert "measured when the run was recorded" in answer("cost", run)
    assert "measured here" in answer("cost", replace(run, owner="ann"))
    assert "times the bytes of an answer" in answer("cost", run)
    assert "The teacher's labels alone, against labels only" in answer("api", run)
    assert "cannot say" in answer("small", run)
    assert "data are no words" in answer("rare", run)
    assert "has not ended" in answer("accuracy", replace(run, result=None))
    better = copy.deepcopy(run)
    assert better.result is not None
    arms = {arm["key"]: arm for arm in better.result["arms"]}
    arms["hidden"]["accuracy"] = [value + 0.05 for value in arms["logits"]["accuracy"]]
    assert "**Here a look inside the teacher helps: hidden states.**" in answer("accuracy", better)
    del better.result["costs"]
    assert "did not measure" in answer("cost", better)


def test_a_difference_has_the_same_interval_wherever_the_page_tells_it() -> None:
    run = recorded_run(Ladder.recipe)[0]
    assert run.result is not None
    found = compare(run.spec, run.result)
    verdict = sentences(run, found, list(found.found), "")
    for claim, minuend, subtrahend in (
        ("api", "label", "labels_only"),
        ("accuracy", "hidden", "hidden_untrained"),
        ("accuracy", "hidden", "logits"),
    ):
        difference = found.between(minuend, subtrahend)
        assert difference is not None
        assert in_words(difference) in verdict
        assert in_words(difference) in answer(claim, run)
        assert f"this run's {found.together} contrasts, whose 95 % is for all together" in answer(claim, run)
    # One is told from its other side.
    words = next(one.words for one in run.spec.contrasts if one.key == "label")
    assert f"{words}:** **{in_words(found['label'])}**" in verdict
    assert f"keeps back: {in_words(found['label'].turned())}." in answer("api", run)


def test_claims_leave_students_out_that_diverged_and_say_so() -> None:
    run = copy.deepcopy(recorded_run(Ladder.recipe)[0])
    assert run.result is not None
    next(arm for arm in run.result["arms"] if arm["key"] == "label")["accuracy"][0] = None
    found = compare(run.spec, run.result)
    difference = found.between("label", "labels_only")
    assert difference is not None
    assert difference.n == run.spec.seeds - 1
    assert f"against labels only: {in_words(difference)}" in answer("api", run)
    assert "1 of 70 students diverged in training and is left out." in answer("api", run)


def test_of_one_seed_no_claim_and_no_line_says_what_chance_would() -> None:
    run = copy.deepcopy(recorded_run(Ladder.recipe)[0])
    assert run.result is not None
    for arm in run.result["arms"]:
        arm["accuracy"] = arm["accuracy"][:1]
    run = replace(run, spec=run.spec.model_copy(update={"seeds": 1}))
    for said in (answer("accuracy", run), answer("api", run)):
        assert "one seed tells nothing of chance" in said
        assert "shown" not in said.replace("shows no probabilities", "")
        assert "interval" not in said
    accuracy = metrics_of("classification")["accuracy"]
    levels = {arm.key: Level(0.1 * place, np.nan) for place, arm in enumerate(run.spec.arms[:3])}
    assert means_words(run.spec, levels, accuracy) == (
        "the arms' means lie between **0.0%** and **20.0%**. Each is one student: with one seed nothing is said of chance."
    )
    scores = {arm.key: np.array([[0.1], [0.2]]) for arm in run.spec.arms}
    then = at_equal_time(np.array([0, 1]), scores, dict.fromkeys(scores, Clock(0, 1)))
    assert then is not None
    assert differences_words(run.spec, then, accuracy) == "Which arms differ one seed cannot say: run at least two."


def test_while_it_runs_no_rung_is_called_best() -> None:
    run, points, _ = recorded_run(Ladder.recipe)
    drawn, accuracy = curves(points, run.spec), metrics_of("classification")["accuracy"]
    assert drawn is not None
    lines = {arm.key: drawn.line("accuracy", arm.key) for arm in run.spec.arms}
    levels = {key: Level(float(line.mean[-1]), float(line.half[-1])) for key, line in lines.items()}
    said = means_words(run.spec, levels, accuracy)
    assert not any(arm.label in said for arm in run.spec.arms)
    assert said.endswith("Bars are 95 % intervals over seeds.")


def test_bars_of_a_share_stay_between_nothing_and_all() -> None:
    spec, metrics = ladder(), metrics_of("classification")
    levels = {arm.key: Level(0.98, 0.3) for arm in spec.arms} | {"label": Level(0.02, 0.3)}
    drawn = rows(spec.arms, RUNGS, {}, 800, 700)
    for metric in ("accuracy", "agreement"):
        traces = ladder_figure(levels, spec.arms, metrics[metric], None, drawn)["data"]
        for trace in traces:
            assert trace["x"][0] - trace["error_x"]["arrayminus"][0] >= 0
            assert trace["x"][0] + trace["error_x"]["array"][0] <= 1
        assert "95 % interval 0.0% to 32.0%" in traces[1]["hovertemplate"]


@pytest.mark.parametrize(("data", "student"), [("glosses", "bert-1x64"), ("fashion", "mlp-64")])
def test_the_claim_about_small_students_leads_to_runs_that_answer_it_with_the_rung_kept(data: str, student: str) -> None:
    st.cache_resource.clear()  # the store of another test
    app = page(data=data)
    app.button(key=f"ladder-of-{student}").click().run()
    assert not app.exception
    assert not app.warning
    first = launched(app)
    assert first.student == student
    assert "hidden" in [arm.key for arm in first.arms]
    store = Store()
    (run,) = store.list_runs()
    other = next(one for one in with_other_students(settings_of(first, Ladder), "hidden"))
    again = store.enqueue(other.spec(), "ann")
    assert not [link for link in app.run().get("page_link") if "compare=" in link.proto.query_string]
    for run_id in (run.id, again):
        store.finish(run_id, "done")
    (link,) = [link for link in app.run().get("page_link") if "compare=" in link.proto.query_string]
    assert {run.id, again} <= set(re.split("%2C|,|=", link.proto.query_string))


def test_layers_of_a_single_place_have_no_map_to_compare() -> None:
    whose = (TEACHER, START, of_arm("hidden"), of_arm("logits"))
    kept = InsideKept((3,), {f"{who}/1/attention": np.ones((1, 1)) for who in whose})
    spec = ladder(dataset="digits", student="mlp-16", labels=50, transfer=50)
    assert "no map" in likeness_words(spec, kept, "hidden", 1, 1)
