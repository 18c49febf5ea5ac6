"""What comes with the lab of SmolLM2 on Pride and Prejudice: small, read without the model, and what the model says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kdlab.core.calibration import expected_calibration_error
from kdlab.core.probability import entropy, log_softmax
from kdlab.data.corpora import Corpus, get_corpus
from kdlab.models import shipped_smollm2, smollm2
from kdlab.models.own_tokens import own_tokens, windows
from kdlab.models.shipped_smollm2 import SHIPPED, Shipped, apart, joined, ordered, shipped_for

OWN = own_tokens("smollm2", "pride")


@pytest.fixture
def shipped() -> Shipped:
    found = shipped_for("smollm2", "pride")
    assert found is not None
    return found


def _encoded(split: str) -> np.ndarray:
    return windows(OWN.encode(getattr(get_corpus("pride").load(), split)).ids)


def test_the_file_is_small_and_holds_what_a_first_run_needs(shipped: Shipped) -> None:
    assert SHIPPED.stat().st_size <= 11_000_000
    vocabulary, train = len(OWN), _encoded("train")
    assert shipped.head.shape == (vocabulary, smollm2.WIDTH)
    assert shipped.test_hidden.shape == (64, 64, smollm2.WIDTH)
    assert shipped.draws.shape == (len(train), 64, 16)  # every training window
    assert shipped.head.dtype == shipped.test_hidden.dtype == np.float32
    assert 0 <= shipped.draws.min() <= shipped.draws.max() < vocabulary
    assert np.array_equal(shipped.teacher_ids, OWN.teacher_ids)


def test_it_is_read_without_torch_and_without_the_package() -> None:
    look = (
        "import sys; from kdlab.models import smollm2; smollm2.PACKAGE_FILE = None; "
        "from kdlab.models.shipped_smollm2 import shipped_for; found = shipped_for('smollm2', 'pride'); "
        "found.head, found.test_hidden, found.passages, found.draws; "
        "print([name for name in ('torch', 'transformers', 'gguf', 'tokenizers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_test_windows_are_spread_evenly_and_the_teacher_knows_english(shipped: Shipped) -> None:
    test = _encoded("test")
    assert np.array_equal(shipped.test_rows, np.linspace(0, len(test) - 1, 64).round())
    truth = test[shipped.test_rows][:, 1:]
    log_p = log_softmax(shipped.test_hidden @ shipped.head.T)
    nats = -np.take_along_axis(log_p, truth[..., None], -1)
    bits_a_byte = nats.sum() / np.log(2) / OWN.byte_lengths[truth].sum()
    assert 1.3 < bits_a_byte < 1.6
    p = np.exp(log_p).reshape(-1, len(OWN))
    assert (p.argmax(-1) == truth.ravel()).mean() > 0.25
    assert expected_calibration_error(p, truth.ravel()) < 0.1
    assert nats[:, 0].mean() > nats[:, 32:].mean() + 2  # what stood before helps


def test_passages_are_lines_of_test_chapters_that_read_well_alone(shipped: Shipped) -> None:
    text = get_corpus("pride").load().test
    assert [passage.chapter for passage in shipped.passages] == [9, 45, 57]
    for passage in shipped.passages:
        said = OWN.decode(passage.ids[1:])
        assert said in text
        assert said[0] in '"Y'
        assert said[-1] in '."'
        assert 40 <= len(passage.ids) - 1 <= 64
        assert passage.ids[0] == 0
        assert passage.hidden.shape == (len(passage.ids) - 1, smollm2.WIDTH)


def test_what_was_drawn_is_near_what_the_novel_says_and_in_no_order(shipped: Shipped) -> None:
    truth, draws = _encoded("train")[:, 1:], shipped.draws
    agree = (draws == truth[..., None]).mean((0, 1))
    assert agree.mean() > 0.1  # a draw is the novel's own token as often as the teacher gives it probability
    assert np.abs(agree - agree.mean()).max() < 0.005  # as often the first as the last
    assert np.abs(draws.mean((0, 1)) - draws.mean()).max() < 0.02 * draws.mean()
    assert np.array_equal(shipped_smollm2.Shipped(SHIPPED).draws, draws)


def test_there_is_nothing_of_other_teachers_and_texts_and_of_another_novel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shipped_for("pocket", "pride") is None
    assert shipped_for("smollm2", "own-0123456789ab") is None
    with monkeypatch.context() as changed:
        changed.setattr(Corpus, "fingerprint", lambda self: "another")
        assert shipped_for("smollm2", "pride") is None
    with monkeypatch.context() as changed:
        changed.setattr(smollm2, "SHA256", "another")
        assert shipped_for("smollm2", "pride") is None
    monkeypatch.setattr(shipped_smollm2, "SHIPPED", Path("gone.npz"))
    assert shipped_for("smollm2", "pride") is None


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    cut = tmp_path / "cut.npz"
    cut.write_bytes(SHIPPED.read_bytes()[:5_000_000])
    with pytest.raises(ValueError, match=r"cut\.npz is missing or damaged\. Fetch the project again"):
        _ = Shipped(cut).head


def test_nobody_changes_what_others_read(shipped: Shipped) -> None:
    for part in (shipped.head, shipped.test_hidden, shipped.draws, shipped.passages[0].hidden):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 0


def test_planes_of_bytes_come_back_as_they_were() -> None:
    numbers = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    bits = smollm2.as_bfloat16(numbers)
    assert np.array_equal(joined(apart(bits)), smollm2.from_bfloat16(bits))
    draws = np.random.default_rng(1).integers(0, 9000, (2, 4, 16))
    planes = ordered(draws)
    steps = planes[0].astype(int) + 256 * planes[1].astype(int)
    assert np.array_equal(np.cumsum(steps, -1), np.sort(draws, -1))


def test_the_entropy_of_the_teacher_is_that_of_a_model_that_does_not_know_the_novel_by_heart(shipped: Shipped) -> None:
    p = np.exp(log_softmax(shipped.test_hidden[:8] @ shipped.head.T))
    assert 4 < entropy(p).mean() < 5.5  # bits
