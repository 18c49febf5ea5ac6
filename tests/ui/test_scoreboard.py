"""The scoreboard of page Access: accuracy kept, what teacher and student cost, measured alike, and what an old record lacks."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

from kdlab.runs.comparison import ahead, compare
from kdlab.runs.ladder import Ladder
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Run
from kdlab.ui.access.scoreboard import COSTS, cost_table, how_measured, sentence
from kdlab.ui.access.scoreboard_charts import accuracy_kept
from kdlab.ui.run.verdict_words import sentences

TEACHER = {"parameters": 241898, "disk_bytes": 970_000, "run_memory_mib": 64.0, "latency_ms": 1.03, "throughput": 2200.0}
STUDENT = {"parameters": 9098, "disk_bytes": 37_000, "run_memory_mib": 4.0, "latency_ms": 0.0957, "throughput": 110_000.0}


def recorded() -> Run:
    return copy.deepcopy(recorded_run(Ladder.recipe)[0])


def cells(table: str) -> dict[str, list[str]]:
    rows = re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table)
    return {name: re.findall(r"<td>(.*?)</td>", rest) for name, rest in rows}


def test_each_cost_is_told_of_teacher_and_student_with_how_many_times() -> None:
    told = cells(cost_table({"teacher": TEACHER, "student": STUDENT}))
    assert told == {
        "Parameters": ["241,898", "9,098", "27× fewer"],
        "On disk": ["970.0 kB", "37.0 kB", "26× smaller"],
        "Memory at run time": ["67.1 MB", "4.2 MB", "16× less"],
        "One example": ["1.03 ms", "0.0957 ms", "11× faster"],
        "Examples a second": ["2,200", "110,000", "50× more"],
    }


def test_what_an_older_record_lacks_is_said_and_not_made_up() -> None:
    old = {name: value for name, value in TEACHER.items() if name not in ("disk_bytes", "run_memory_mib")}
    told = cells(cost_table({"teacher": old, "student": STUDENT}))
    assert told["On disk"] == ["not in this record", "37.0 kB", ""]
    assert told["Parameters"][2] == "27× fewer"


def test_the_recorded_run_has_every_number_of_the_scoreboard() -> None:
    for recipe in (Ladder.recipe, "three_arms"):
        result = recorded_run(recipe)[0].result or {}
        assert "not in this record" not in cost_table(result["profiles"])
        assert all(result["profiles"][who][cost.field] > 0 for who in ("teacher", "student") for cost in COSTS)


def test_each_arm_stands_in_the_picture_with_the_share_that_it_keeps() -> None:
    run = recorded()
    assert run.result is not None
    found = compare(run.spec, run.result)
    figure = accuracy_kept(found, run.spec.arms)
    assert figure["layout"]["yaxis"]["ticktext"] == [arm.label for arm in run.spec.arms]
    for trace, arm in zip(figure["data"], run.spec.arms, strict=True):
        own = next(one for one in run.result["arms"] if one["key"] == arm.key)["accuracy"]
        assert abs(trace["x"][0] - sum(own) / len(own) / run.result["teacher_accuracy"]) < 1e-9
        assert trace["error_x"]["array"][0] > 0
    run.result["arms"][0]["accuracy"] = [None] * len(run.result["arms"][0]["accuracy"])
    assert len(accuracy_kept(compare(run.spec, run.result), run.spec.arms)["data"]) == len(run.spec.arms) - 1


def test_the_sentence_names_who_keeps_most_and_the_caption_on_what_it_was_measured() -> None:
    run = recorded()
    assert run.result is not None
    arms = {arm["key"]: arm for arm in run.result["arms"]}
    arms["hidden"]["accuracy"] = [value + 0.05 for value in arms["logits"]["accuracy"]]
    found, hidden = compare(run.spec, run.result), run.spec.arm("hidden")
    assert ahead(run.spec, found) == ["hidden"]
    said = sentence(run, found)
    assert said.startswith(f"The {hidden.its_student} keeps most: **{found.kept('hidden').mean:.1%}**")
    assert "of Fashion CNN's accuracy. Every other student is shown to keep less." in said
    assert "27× fewer parameters" in said
    assert "when the run was recorded, on x86_64 CPU" in how_measured(run)
    assert "once on this machine" in how_measured(replace(run, owner="ann"))
    arms["hidden"]["accuracy"][0] = None
    assert "1 of 70 students diverged in training and is left out." in sentence(run, compare(run.spec, run.result))
    for arm in run.result["arms"]:
        arm["accuracy"] = [None] * len(arm["accuracy"])
    assert "diverged" in sentence(run, compare(run.spec, run.result))


def test_among_ties_nobody_is_said_to_keep_most_and_the_verdict_says_the_same() -> None:
    run = recorded()
    assert run.result is not None
    found = compare(run.spec, run.result)
    first, *tied = (run.spec.arm(key) for key in ahead(run.spec, found))
    assert tied
    for said in (sentence(run, found), sentences(run, found, list(found.found), "")):
        assert f"**No student is shown to keep most.** The {first.its_student} has the highest mean, " in said
        assert f"not shown to keep less: {', '.join(arm.in_a_sentence for arm in tied)}." in said
        assert "keeps most" not in said


def test_of_one_seed_nothing_is_said_of_chance() -> None:
    run = recorded()
    assert run.result is not None
    for arm in run.result["arms"]:
        arm["accuracy"] = arm["accuracy"][:1]
    run = replace(run, spec=run.spec.model_copy(update={"seeds": 1}))
    found = compare(run.spec, run.result)
    for said in (sentence(run, found), sentences(run, found, list(found.found), "")):
        assert "interval" not in said.replace("for an interval", "")
        assert "shown" not in said
        assert "one seed tells nothing of chance" in said


def test_bars_and_words_go_no_further_than_an_accuracy_can() -> None:
    run = recorded()
    assert run.result is not None
    for arm in run.result["arms"]:
        arm["accuracy"] = [0.95, 0.2, 0.1, 0.9, 0.05]
    found, most = compare(run.spec, run.result), 1 / run.result["teacher_accuracy"]
    for trace in accuracy_kept(found, run.spec.arms)["data"]:
        bar, mean = trace["error_x"], trace["x"][0]
        assert mean - bar["arrayminus"][0] >= 0
        assert mean + bar["array"][0] <= most + 1e-9
    run.result["arms"] = [arm | {"accuracy": [0.6, 0.1, 0.0, 0.0, 0.0]} for arm in run.result["arms"]]
    found = compare(run.spec, run.result)
    for said in (sentence(run, found), sentences(run, found, list(found.found), "")):
        assert "(95 % interval 0.0 to " in said
