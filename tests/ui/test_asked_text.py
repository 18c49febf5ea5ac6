"""A text under the teacher: how tokens are written, coloured and chosen, and the soft targets after one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import special, stats

from kdlab.runs.text_recipes import Race
from kdlab.ui.language.asked_text import AskedText, spoken, written
from kdlab.ui.language.colours import COLOURINGS, READ_FIRST, coloured_tokens, colourings_for, worth_a_look
from kdlab.ui.language.soft_tokens import (
    LIKELIEST,
    OTHERS,
    after_in_words,
    bar_rows,
    soft_tokens,
    temperatures,
)
from kdlab.ui.look.tokens import ORDERED_GROUNDS
from kdlab.ui.widgets.live_slider import _Span
from kdlab.ui.widgets.token_text import STEPS, Token, words
from tests.ui.test_tokens import _channels, _contrast, _luminance

PIECES = (b"", b"It", b" is", b" a", b" truth", b"\n\n", b" univers", b"ally", b",", b"\xe2\x80", *(b" w%d" % i for i in range(30)))
IDS = np.array([0, 1, 2, 3, 4])
RNG = np.random.default_rng(0)
LOGITS = 3 * RNG.normal(size=(len(IDS), len(PIECES)))
STUDENT = LOGITS + RNG.normal(size=LOGITS.shape)


def asked(student: bool = True, after: int | None = 6) -> AskedText:
    return AskedText(IDS, after, PIECES, LOGITS.astype(np.float32), STUDENT.astype(np.float32) if student else None)


@pytest.mark.parametrize(
    ("piece", "shown", "said"),
    [
        (b" truth", "·truth", "“truth” after a space"),
        (b"ally", "ally", "“ally”"),
        (b"\n", "¶", "a new line"),
        (b"\n\n", "¶¶", "2 new lines"),
        (b"   ", "···", "3 spaces"),
        (b"\n ", "¶·", "a new line and a space"),
        (b"\n the", "¶·the", "“the” after a new line and a space"),
        (b"\xe2\x80", "\\xe2\\x80", "“\\xe2\\x80”"),
        ("’".encode(), "’", "“’”"),
        ("\u202eevil".encode(), "\\u202eevil", "“\\u202eevil”"),
        (b"\x00", "\\x00", "“\\x00”"),
        (b"<b>", "<b>", "“<b>”"),
    ],
)
def test_a_token_is_written_in_signs_that_can_be_seen_and_said_in_words(piece: bytes, shown: str, said: str):
    assert (written(piece), spoken(piece)) == (shown, said)


def test_entropy_kl_and_disagreement_are_those_of_the_two_distributions():
    text = asked()
    p, q = special.softmax(LOGITS, -1), special.softmax(STUDENT, -1)
    np.testing.assert_allclose(text.entropy, stats.entropy(p, base=2, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(text.kl, stats.entropy(p, q, axis=-1), rtol=1e-4)
    np.testing.assert_array_equal(text.disagree, p.argmax(-1) != q.argmax(-1))
    assert [text.came(place) for place in range(5)] == [1, 2, 3, 4, 6]
    assert asked(after=None).came(4) is None


def test_a_teacher_alone_is_coloured_by_its_entropy_only():
    assert list(colourings_for(asked(student=False))) == ["entropy"]
    assert list(colourings_for(asked())) == list(COLOURINGS)


@pytest.mark.parametrize("name", COLOURINGS)
def test_a_larger_value_never_stands_on_a_lower_step_and_the_legend_tells_each(name: str):
    text, way = asked(), COLOURINGS[name]
    values, steps = way.values(text), way.steps(text)
    order = np.argsort(values)
    assert (np.diff(steps[order]) >= 0).all()
    told = {one.step: one for one in way.legend()}
    assert set(steps.tolist()) <= set(told)
    assert len({one.words for one in told.values()}) == len(told)
    if way.unit:
        assert sorted(told) == list(range(STEPS))
        assert way.unit in told[0].numbers
        for value, step in zip(values, steps, strict=True):
            low = 0 if step == 0 else way.bounds[step - 1]
            assert low <= value
            assert step == len(way.bounds) or value < way.bounds[step]


def test_the_bounds_themselves_belong_to_the_step_that_they_begin():
    text = asked()
    way = COLOURINGS["entropy"]
    at_bounds = AskedText(np.array([0, 1]), None, (b"", b"a", b"b", b"c"), np.log([[0.25] * 4, [0.5, 0.5, 1e-9, 1e-9]]))
    assert way.steps(at_bounds).tolist() == [2, 1]
    assert text.entropy.max() < np.log2(len(PIECES))


def test_without_a_choice_the_token_is_shown_where_there_is_most_to_learn_once_some_of_the_text_is_read():
    text = asked()
    text.entropy[:2] = 99  # before a word is read, everything may come
    assert worth_a_look(text, "entropy") == 2 + int(text.entropy[2:].argmax())
    assert worth_a_look(text, "kl") == 2 + int(text.kl[2:].argmax())
    apart = np.flatnonzero(text.disagree[2:]) + 2
    assert len(apart)
    found = worth_a_look(text, "disagreement")
    assert found in apart
    assert text.kl[found] == text.kl[apart].max()
    assert worth_a_look(AskedText(IDS[:1], None, PIECES, LOGITS[:1]), "entropy") == 0
    assert worth_a_look(AskedText(IDS[:2], None, PIECES, LOGITS[:2]), "entropy") == 1
    long = AskedText(np.tile(IDS, 8), None, PIECES, np.tile(LOGITS, (8, 1)))
    assert worth_a_look(long, "entropy") == READ_FIRST + int(long.entropy[READ_FIRST:].argmax())


def test_each_token_can_be_reached_and_is_named_with_its_value():
    text = asked()
    shown = coloured_tokens(text, "entropy")
    assert [token.text for token in shown] == ["start", "It", "is", "a", "truth", "univers"]
    assert shown[4].name == f"Token 4 of 5: “truth” after a space, {text.entropy[4]:.1f} bits about what follows"
    assert shown[5].step is None  # what the window did not read says nothing of what follows it
    assert [token.gap for token in shown] == [True, False, True, True, True, True]
    assert len({token.name for token in shown}) == len(shown)
    assert coloured_tokens(asked(after=None), "entropy")[-1].text == "truth"


def test_the_tokens_of_a_word_stand_together_and_a_line_ends_after_its_sign():
    text = AskedText(np.array([0, 1, 6, 7, 8, 5, 1]), None, PIECES, np.zeros((7, len(PIECES))))
    shown = coloured_tokens(text, "entropy")
    assert [token.text for token in shown] == ["start", "It", "univers", "ally", ",", "¶¶", "It"]
    assert words(shown) == [2, 3, 1, 1]
    assert [token.breaks for token in shown] == [False] * 5 + [True, False]
    assert words([Token("a", "a", 0)]) == [1]


def test_soft_targets_are_the_softmax_at_every_temperature_and_sum_to_one_with_the_others():
    text, at = asked(), temperatures()
    found = soft_tokens(text, 2, at)
    assert len(found.tokens) in (LIKELIEST, LIKELIEST + 1)
    for n in (0, len(at) // 2, len(at) - 1):
        p = special.softmax(LOGITS[2].astype(np.float32).astype(float) / at[n])
        np.testing.assert_allclose(found.teacher[n, :-1], p[list(found.tokens)], rtol=1e-6)
        np.testing.assert_allclose(found.entropy[n], stats.entropy(p, base=2), rtol=1e-6)
        q = special.softmax(STUDENT[2].astype(np.float32).astype(float) / at[n])
        np.testing.assert_allclose(found.student[n, :-1], q[list(found.tokens)], rtol=1e-6)
        np.testing.assert_allclose(found.kl[n], stats.entropy(p, q), rtol=1e-6)
    np.testing.assert_allclose(found.teacher.sum(-1), 1)
    np.testing.assert_allclose(found.student.sum(-1), 1)
    assert (np.diff(found.teacher[at.index(1.0), :LIKELIEST]) <= 0).all()
    assert (np.diff(found.teacher[:, -1]) > 0).all()  # the more heat, the more the others have


def test_the_token_that_came_is_marked_also_where_it_is_none_of_the_likeliest():
    logits = np.arange(len(PIECES), 0, -1.0)[None].repeat(2, 0)
    unlikely = AskedText(np.array([0, 39]), 1, PIECES, logits)
    found = soft_tokens(unlikely, 0, [1.0])
    assert found.tokens == (*range(LIKELIEST), 39)
    rows = bar_rows(unlikely, found)
    assert [row.came for row in rows] == [False] * LIKELIEST + [True, False]
    assert rows[-2].note == "came next, rank 40"
    assert (rows[0].name, rows[-1].name, rows[-1].note) == ("end of text", OTHERS, f"{len(PIECES) - 13} tokens")
    likely = soft_tokens(unlikely, 1, [1.0])
    assert [row.came for row in bar_rows(unlikely, likely)].index(True) == 1
    assert len(likely.tokens) == LIKELIEST
    ended = AskedText(np.array([0]), None, PIECES, logits[:1])
    assert not any(row.came for row in bar_rows(ended, soft_tokens(ended, 0, [1.0])))


def test_the_sentence_tells_what_is_seen():
    logits = np.full((2, len(PIECES)), -50.0)
    logits[0, [1, 2]] = 0
    logits[1, 4] = 0
    alone = AskedText(np.array([0, 2]), 4, PIECES, logits)
    assert after_in_words(alone, 0) == (
        "Before a word is read the teacher is as undecided as among **2** equally likely tokens (1.0 bits at T = 1). It finds `It` "
        "likeliest, 50 %; `·is` came, rank 1, 50 %."
    )
    assert after_in_words(alone, 1) == (
        "After `·is` the teacher is as undecided as among **1** equally likely tokens (0.0 bits at T = 1). It finds `·truth` "
        "likeliest, 100 %, and that came."
    )
    student = np.log(np.full_like(logits, 1 / len(PIECES)))
    both = AskedText(np.array([0, 2]), None, PIECES, logits, student)
    assert after_in_words(both, 1).endswith(
        "; here the text ends. The student finds `end of text` likeliest, 2.5 %; it is 3.69 nats from the teacher (KL)."
    )


def test_the_temperatures_are_all_places_of_a_runs_slider():
    at = temperatures()
    span = _Span(at[0], at[-1], 0.1, "log")
    field = Race.model_fields["temperature"]
    assert all(span.snap(t) == t for t in at)
    assert at == tuple(sorted({span.snap(low / 1000) for low in range(500, 5001)}))
    assert 1.0 in at
    assert field.default == 1.0


@pytest.mark.parametrize("theme", ORDERED_GROUNDS)
def test_words_on_every_step_of_the_scale_can_be_read_and_steps_differ_in_lightness(theme: str):
    grounds = [ground for ground, _ in ORDERED_GROUNDS[theme]]
    for ground, ink in ORDERED_GROUNDS[theme]:
        assert _contrast(_channels(ground), _channels(ink)) >= 4.5
    lights = [_luminance(_channels(ground)) for ground in grounds]
    assert lights == sorted(lights, reverse=theme == "light")
    for one, other in pairwise(grounds):
        assert _contrast(_channels(one), _channels(other)) >= 1.25
