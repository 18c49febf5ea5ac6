"""The stored logits of a real language model show its width, and what is stored beside them was computed from them."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from kdlab.core.logit_rank import logit_singular_values, shown_width
from kdlab.models.last_layer import last_layer
from kdlab.models.logit_rows import LOGIT_ROWS, STEP, read_logit_rows, read_logit_spectra
from kdlab.models.record_logit_rows import COLUMN_SEED, COLUMNS, read_text, write

ROWS, SPECTRA = read_logit_rows(), read_logit_spectra()


def test_the_file_is_small_and_its_logits_lie_on_its_steps():
    assert LOGIT_ROWS.stat().st_size <= 2_500_000
    assert ROWS.logits.shape == (1024, COLUMNS)
    assert np.array_equal(np.round(ROWS.logits / STEP) * STEP, ROWS.logits)
    drawn = np.random.default_rng(COLUMN_SEED).choice(SPECTRA.vocabulary, COLUMNS, replace=False)
    assert np.array_equal(ROWS.columns, np.sort(drawn))


def test_all_rows_show_the_models_width_by_a_factor_of_a_thousand():
    values = logit_singular_values(ROWS.logits)
    assert shown_width(values) == 576 == SPECTRA.width
    assert values[575] / values[576] > 1000
    np.testing.assert_allclose(values, SPECTRA.logits[-1], rtol=1e-4)


def test_log_probabilities_show_the_same_width_and_uncentred_one_more():
    log_p = ROWS.log_probabilities()
    assert (log_p < 0).all()
    assert (np.exp(log_p).sum(axis=1) < 1).all()
    values = logit_singular_values(log_p, log_probabilities=True)
    assert shown_width(values) == 576
    np.testing.assert_allclose(values, SPECTRA.log_probabilities[-1], rtol=1e-4)
    assert shown_width(SPECTRA.uncentred) == 577


def test_the_whole_vocabulary_shows_what_the_chosen_columns_show():
    assert shown_width(SPECTRA.whole) == 576
    assert SPECTRA.vocabulary == 49_152


@pytest.mark.parametrize("at", [0, 9])
def test_stored_singular_values_are_those_of_the_stored_logits(at):
    queries = SPECTRA.queries[at]
    np.testing.assert_allclose(SPECTRA.logits[at], logit_singular_values(ROWS.logits[:queries]), rtol=1e-5)
    centred = logit_singular_values(ROWS.log_probabilities()[:queries], log_probabilities=True)
    np.testing.assert_allclose(SPECTRA.log_probabilities[at], centred, rtol=1e-5)


def test_the_width_is_told_from_more_queries_than_units_and_not_before():
    for queries, values, centred in zip(SPECTRA.queries, SPECTRA.logits, SPECTRA.log_probabilities, strict=True):
        expected = 576 if queries > 576 else None
        assert shown_width(values) == shown_width(centred) == expected, queries


def test_a_bundled_teachers_width_is_that_of_its_last_weights():
    assert last_layer("fashion").shape == (10, 128)
    assert last_layer("digits").shape == (10, 256)
    with pytest.raises(ValueError, match="no teacher called"):
        last_layer("gpt")


def test_the_maker_refuses_logits_that_show_another_width_than_the_model_has(tmp_path, monkeypatch):
    monkeypatch.setattr("kdlab.models.record_logit_rows.COLUMNS", 30)
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(64, 9)) @ rng.normal(size=(9, 80))).astype(np.float32)
    path = tmp_path / "rows.npz"
    with pytest.raises(ValueError, match="columns show 9 units, all tokens 9; the model has 10"):
        write(path, logits, np.arange(64), width=10)
    assert not path.exists()
    write(path, logits, np.arange(64), width=9)
    made = read_logit_rows(path)
    np.testing.assert_allclose(made.logits, logits[:, made.columns], atol=STEP)
    assert read_logit_spectra(path).queries == (32, 64)
    assert shown_width(read_logit_spectra(path).log_probabilities[-1]) == 9


def test_a_text_is_read_packed_or_not(tmp_path):
    plain, packed = tmp_path / "novel.txt", tmp_path / "novel.txt.gz"
    plain.write_text("It is a truth", encoding="utf-8")
    packed.write_bytes(gzip.compress(b"It is a truth"))
    assert read_text(plain) == read_text(packed) == "It is a truth"
