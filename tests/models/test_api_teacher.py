"""A teacher behind an API: what it asks, how far it goes, and what it is never charged for twice."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdlab.models.api_answers import KeptAnswers
from kdlab.models.api_cost import Price
from kdlab.models.api_teacher import Answer, ApiTeacher
from kdlab.models.endpoint import Endpoint, EndpointError
from kdlab.models.multiple_choice import Reply, text_sha256
from tests.models import loopback_endpoint as server_side
from tests.models.loopback_endpoint import (
    CLASSES,
    RIGHT,
    TEXTS,
    Loopback,
    answer,
    by_position,
    error,
    labels,
    plain,
    refuses,
    says,
)

# The probe


def test_the_probe_opens_what_the_answer_shows(server: Loopback, teacher: Callable[..., ApiTeacher]):
    asking = teacher()
    rungs = asking.probe()
    assert (rungs.label, rungs.top_k, rungs.note) == (True, 6, "")
    assert rungs.answered_by == "model-1-2026-01-01"
    assert rungs.captured_mass == pytest.approx(0.85)
    (asked,) = server.received
    assert {name: asked[name] for name in ("temperature", "logprobs", "top_logprobs", "max_tokens")} == {
        "temperature": 1,
        "logprobs": True,
        "top_logprobs": 20,
        "max_tokens": 1,
    }
    assert asking.probe() is rungs
    assert len(server.received) == 1


def test_answers_carry_probabilities_in_the_order_of_the_classes(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    answers = by_position(teacher().ask(TEXTS))
    assert [found.label for found in answers] == RIGHT
    for found in answers:
        assert found.option_probabilities is not None
        assert found.shown is not None
        expected = np.full(4, server_side.SMALLEST)
        expected[found.label] = 0.5 + 0.2 + 0.05 + 0.04
        expected[[k for k in np.flatnonzero(found.shown) if k != found.label]] = server_side.OTHER
        assert found.option_probabilities == pytest.approx(expected)
        assert found.captured_mass == pytest.approx(0.85)


@pytest.mark.parametrize(
    "refusal",
    [
        refuses("logprobs"),
        refuses("logprobs", status=422, message="extra inputs are not permitted"),
        refuses("logprobs", status=403, message="You are not allowed to request logprobs from this model."),
    ],
    ids=["400", "422", "403"],
)
def test_an_endpoint_that_refuses_logprobs_is_asked_once_without_and_stays_a_black_box(
    refusal: server_side.Turn, server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.usually = refusal
    asking = teacher()
    rungs = asking.probe()
    assert [payload.get("logprobs") for payload in server.received] == [True, None]
    assert (rungs.label, rungs.top_k, rungs.captured_mass) == (True, 0, 0)
    assert "refuses to send probabilities" in rungs.note
    answers = by_position(asking.ask(TEXTS))
    assert [found.label for found in answers] == RIGHT
    assert {found.option_probabilities is None for found in answers} == {True}
    assert not any("logprobs" in payload or "top_logprobs" in payload for payload in server.received[1:])


def test_a_request_refused_with_and_without_logprobs_is_an_error(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.usually = error(400, "The messages are not to my liking.")
    with pytest.raises(EndpointError, match=r"does not take this request.*not to my liking"):
        teacher().probe()
    assert len(server.received) == 2


def test_silence_about_logprobs_closes_the_probability_rungs(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.usually = answer(logprobs=False)
    asking = teacher()
    rungs = asking.probe()
    assert (rungs.label, rungs.top_k) == (True, 0)
    assert "although they were asked for" in rungs.note
    assert labels(asking.ask(TEXTS)) == RIGHT
    assert not any("logprobs" in payload for payload in server.received[1:])
    assert {payload["temperature"] for payload in server.received[1:]} == {0}


@pytest.mark.parametrize("logprob", [float("nan"), None, "high", 0.0])
def test_probabilities_that_cannot_be_are_not_believed(
    logprob: object, server: Loopback, teacher: Callable[..., ApiTeacher]
):
    body = completion_with(logprob)
    server.script.append(plain(200, body))
    assert teacher().probe().top_k == 0


def completion_with(logprob: object) -> str:
    body = server_side.completion("A", {"A": 0.9, "B": 0.05})
    for token in body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        token["logprob"] = logprob
    return json.dumps(body)


def test_models_that_think_first_take_other_parameters(server: Loopback, teacher: Callable[..., ApiTeacher]):
    def turn(handler: server_side.Handler, payload: dict[str, Any]) -> None:
        if "max_tokens" in payload:
            error(400, "Use 'max_completion_tokens' instead.", param="max_tokens")(handler, payload)
        elif payload.get("temperature") == 0:
            error(400, "'temperature' does not support 0.", param="temperature")(handler, payload)
        else:
            refuses("logprobs")(handler, payload)

    server.usually = turn
    asking = teacher()
    assert asking.probe().label
    assert len(server.received) == 4
    assert labels(asking.ask(TEXTS)) == RIGHT
    assert set(server.received[-1]) == {"model", "messages", "max_completion_tokens"}


def test_a_model_that_names_no_letter_and_one_of_another_name_are_remarked(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.usually = answer(logprobs=False, model="other-2")
    assert "other-2 answered, where model-1 was asked" in teacher().probe().note
    server.usually = says("As a language model")
    rungs = teacher().probe()
    assert not rungs.label
    assert "take a model made for chat" in rungs.note


def test_ten_classes_all_find_their_letter(server: Loopback, teacher: Callable[..., ApiTeacher]):
    classes = tuple(f"class{number}" for number in range(10))
    texts = [f"{number} class{number % 10}" for number in range(30)]
    assert labels(teacher(classes=classes).ask(texts)) == [number % 10 for number in range(30)]


# What was paid for


def test_no_text_is_asked_twice_also_by_a_teacher_made_later(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    first = by_position(teacher(concurrency=3).ask(TEXTS[:7] + TEXTS[:7]))
    assert not any(found.kept for found in first)
    later = teacher()
    assert [found.label for found in by_position(later.ask(TEXTS))] == RIGHT
    assert sorted(server.texts[1:8]) == sorted(TEXTS[:7])
    assert sorted(set(server.texts[8:]) & set(TEXTS[:7])) == []
    asked = len(server.received)
    last = teacher()
    again = by_position(last.ask(TEXTS))
    assert len(server.received) == asked, "not even a probe"
    assert all(found.kept for found in again)
    for before, now in zip(first[:7], again, strict=False):
        assert np.array_equal(before.option_probabilities, now.option_probabilities)
    assert last.progress.kept == len(TEXTS)


def test_another_model_prompt_or_way_to_ask_is_another_answer(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    list(teacher().ask(TEXTS))
    asked = len(server.received)
    list(teacher(model="model-1b").ask(TEXTS))
    list(teacher(classes=("Boot", *CLASSES[1:2], "Coat", "Dress")).ask(TEXTS))
    assert len(server.received) == 3 * asked


def test_answers_without_probabilities_are_asked_again_once_the_endpoint_shows_them(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.usually = answer(logprobs=False)
    list(teacher().ask(TEXTS[:3]))
    server.usually = answer()
    assert all(found.option_probabilities is not None for found in teacher().ask(TEXTS))


def test_probabilities_paid_for_are_used_when_the_endpoint_no_longer_shows_them(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    list(teacher().ask(TEXTS[:3]))
    server.usually = answer(logprobs=False)
    answers = by_position(teacher().ask(TEXTS))
    assert [found.option_probabilities is None for found in answers] == [False] * 3 + [True] * 9


def test_an_answer_is_on_the_disk_before_it_counts(
    server: Loopback, teacher: Callable[..., ApiTeacher], tmp_path: Path
):
    asking = teacher()
    for found in asking.ask(TEXTS):
        lines = [line for path in tmp_path.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [json.loads(line) for line in lines]
        assert text_sha256(TEXTS[found.position]) in {row["text"] for row in rows}
        assert {(row["model"], row["endpoint"], row["temperature"], row["top_logprobs"]) for row in rows} == {
            ("model-1", server.url, 1.0, 20)
        }
        assert asking.progress.answered <= len(rows)


def test_a_torn_or_damaged_line_is_as_good_as_none_and_harms_no_other(
    server: Loopback, teacher: Callable[..., ApiTeacher], tmp_path: Path
):
    list(teacher().ask(TEXTS[:4]))
    (path,) = tmp_path.glob("*.jsonl")
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(whole[0] + b'{"text": 3}\n\xff\x00\n' + whole[1] + whole[2] + whole[3][:-20])
    assert labels(teacher().ask(TEXTS)) == RIGHT
    assert [server.texts.count(text) for text in TEXTS] == [1, 1, 1, 2] + [1] * 8
    assert labels(teacher().ask(TEXTS)) == RIGHT
    assert [server.texts.count(text) for text in TEXTS] == [1, 1, 1, 2] + [1] * 8


def test_answers_that_were_taken_from_the_disk_are_not_there_any_more(
    server: Loopback, teacher: Callable[..., ApiTeacher], tmp_path: Path
):
    asking = teacher()
    list(asking.ask(TEXTS))
    assert asking.estimate(TEXTS).kept == len(TEXTS)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert asking.estimate(TEXTS).kept == 1
    path.unlink()
    assert asking.estimate(TEXTS).kept == 0


def test_a_row_of_another_model_in_the_file_is_not_taken(tmp_path: Path):
    KeptAnswers(tmp_path, {"model": "a"}).add("0" * 64, Reply("A"))
    (path,) = tmp_path.glob("*.jsonl")
    other = KeptAnswers(tmp_path, {"model": "b"})
    other.path.write_bytes(path.read_bytes())
    assert other.get("0" * 64) is None


def test_two_teachers_at_once_ask_no_text_twice(server: Loopback, teacher: Callable[..., ApiTeacher]):
    texts = [f"{number} {CLASSES[number % 4]}" for number in range(60)]
    pair = [teacher(concurrency=3), teacher(concurrency=3)]
    for asking in pair:
        asking.probe()
    found: list[list[int | None]] = [[], []]
    threads = [
        threading.Thread(target=lambda n=n, asking=asking: found[n].extend(labels(asking.ask(texts))))
        for n, asking in enumerate(pair)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[number % 4 for number in range(60)]] * 2
    assert sorted(server.texts[2:]) == sorted(texts)


def test_two_processes_write_one_file_and_claim_a_text_one_at_a_time(tmp_path: Path):
    script = """
import sys
from pathlib import Path
from kdlab.models.api_answers import KeptAnswers
from kdlab.models.multiple_choice import Reply
kept = KeptAnswers(Path(sys.argv[1]), {"model": "m"})
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    kept.add(f"{sys.argv[2]}{number:063}", Reply("A" * 3000))
with kept.claim("f" * 64) as mine:
    print(mine)
"""
    with KeptAnswers(tmp_path, {"model": "m"}).claim("f" * 64) as mine:
        assert mine
        pair = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(tmp_path), letter],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for letter in "ab"
        ]
        for process in pair:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in pair:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.communicate()[0] for process in pair] == ["False\n"] * 2
    kept = KeptAnswers(tmp_path, {"model": "m"})
    assert all(
        kept.get(f"{letter}{number:063}") == Reply("A" * 3000) for letter in "ab" for number in range(60)
    )
    with kept.claim("f" * 64) as mine:
        assert mine


def test_where_answers_cannot_be_kept_nothing_is_asked(server: Loopback, tmp_path: Path):
    (tmp_path / "full").write_text("a file where a folder should be", encoding="utf-8")
    asking = ApiTeacher(Endpoint(server.url, "model-1"), CLASSES, tmp_path / "full", budget=99)
    asking.probe()
    with pytest.raises(EndpointError, match=r"cannot be kept.*Free some space"):
        list(asking.ask(TEXTS))
    assert len(server.received) == 1


def test_a_full_disk_stops_the_asking(
    server: Loopback, teacher: Callable[..., ApiTeacher], monkeypatch: pytest.MonkeyPatch
):
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("kdlab.models.api_answers.os.fsync", full)
        asking = teacher()
        with pytest.raises(EndpointError, match=r"cannot be kept.*No space left"):
            list(asking.ask(TEXTS))
    assert len(server.received) == 2
    assert asking.progress.answered == 0
    assert labels(teacher().ask(TEXTS)) == RIGHT


# Before, while and how much


def test_the_estimate_is_made_from_the_prompts_and_sends_nothing(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = teacher(price=Price(prompts=2.0, answers=8.0))
    before = asking.estimate([*TEXTS, TEXTS[0]])
    assert server.received == []
    assert (before.texts, before.kept, before.queries, before.answer_tokens) == (12, 0, 13, 52)
    prompts = [asking.question.prompt(text) for text in ["This is a short text.", *TEXTS]]
    assert before.prompt_tokens == sum(10 + math.ceil(len(prompt) / 4) for prompt in prompts)
    assert before.cost == pytest.approx((before.prompt_tokens * 2 + 52 * 8) / 1e6)
    list(asking.ask(TEXTS[:5]))
    after = asking.estimate(TEXTS)
    assert (after.kept, after.queries, after.answer_tokens) == (5, 7, 7)
    assert teacher().estimate(TEXTS).cost is None


def test_other_scripts_are_estimated_higher(teacher: Callable[..., ApiTeacher]):
    asking = teacher()
    assert (
        asking.estimate(["это пример текста"]).prompt_tokens
        > asking.estimate(["eto primer teksta"]).prompt_tokens
    )


def test_progress_counts_queries_tokens_and_cost_as_the_endpoint_does(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = teacher(price=Price(prompts=1.0, answers=10.0))
    list(asking.ask(TEXTS))
    now = asking.progress
    assert (now.texts, now.answered, now.kept, now.queries) == (12, 12, 0, 13)
    assert (now.prompt_tokens, now.answer_tokens) == (13 * 40, 13)
    assert now.cost == pytest.approx((13 * 40 * 1 + 13 * 10) / 1e6)


def test_the_budget_is_never_passed(server: Loopback, teacher: Callable[..., ApiTeacher]):
    asking = teacher(budget=6, concurrency=4)
    found = list(asking.ask(TEXTS))
    assert len(server.received) == 6
    assert len(found) == 5
    assert "budget of 6 queries is used up" in asking.progress.note
    assert labels(teacher().ask(TEXTS)) == RIGHT
    assert sorted(server.texts.count(text) for text in TEXTS) == [1] * 12


def test_a_probe_without_budget_is_an_error_in_words(server: Loopback, teacher: Callable[..., ApiTeacher]):
    with pytest.raises(EndpointError, match="budget of 0 queries"):
        teacher(budget=0).probe()
    assert list(teacher(budget=0).ask(TEXTS)) == []
    assert server.received == []


def test_texts_are_asked_side_by_side(server: Loopback, teacher: Callable[..., ApiTeacher]):
    together = threading.Barrier(3)

    def turn(handler: server_side.Handler, payload: dict[str, Any]) -> None:
        together.wait(timeout=120)
        answer()(handler, payload)

    # Three that do not share a claim.
    texts: list[str] = []
    for text in TEXTS:
        if int(text_sha256(text)[:8], 16) % 64 not in {int(text_sha256(t)[:8], 16) % 64 for t in texts}:
            texts.append(text)
    asking = teacher(concurrency=3)
    asking.probe()
    server.script.extend([turn] * 3)
    assert len(list(asking.ask(texts[:3]))) == 3


def test_a_pause_sends_nothing_until_it_is_ended(server: Loopback, teacher: Callable[..., ApiTeacher]):
    asking = teacher()
    asking.probe()

    def turn(handler: server_side.Handler, payload: dict[str, Any]) -> None:
        asking.pause()
        answer()(handler, payload)

    server.script.append(turn)
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.extend(asking.ask(TEXTS)))
    thread.start()
    while asking.progress.answered < 1:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(server.received) == 2
    asking.go_on()
    thread.join()
    assert labels(iter(found)) == RIGHT


def test_a_stop_ends_the_asking_and_a_pause_and_what_was_answered_is_kept(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    asking.probe()
    found = []
    for answered in asking.ask(TEXTS):
        found.append(answered)
        asking.pause()
        asking.stop()
    assert len(found) == 1
    assert asking.progress.note == "Stopped. What was answered is kept."
    assert labels(asking.ask(TEXTS)) == RIGHT
    assert [server.texts.count(text) for text in TEXTS] == [1] * 12


def test_a_reader_who_leaves_ends_the_asking(server: Loopback, teacher: Callable[..., ApiTeacher]):
    asking = teacher(concurrency=2)
    answers = asking.ask(TEXTS)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert len(server.received) <= 4
    assert labels(asking.ask(TEXTS)) == RIGHT
    assert [server.texts.count(text) for text in TEXTS] == [1] * 12
