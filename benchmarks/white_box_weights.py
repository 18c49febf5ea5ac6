"""Which weight suits each white-box objective: every candidate an arm of one run, scored on the validation split.

    python -m benchmarks.white_box_weights [--seeds 3]
    python -m benchmarks.white_box_weights --dataset glosses --labels 100 --transfer 800 --epochs 6 --pool 1200

Fashion pictures and the small CNN, or glosses and the BERT of 2 x 64; T = 2, KD weight .9 and the ladder's own budget,
200 labels and 500 examples without one, unless another is asked for: the same for every candidate. Prints each one's
paired difference from logits alone. The test set is not read. --pool: only so many training examples are drawn from, for
each of which a teacher of texts must be asked.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from unittest import mock

import numpy as np

from kdlab.core.intervals import mean_interval
from kdlab.data import registry
from kdlab.distill.arms import Arm
from kdlab.distill.objective_catalogue import ForwardKL
from kdlab.distill.trainer import Trainer
from kdlab.distill.white_box_catalogue import (
    AttentionTransfer,
    Gram,
    Hint,
    JacobianMatch,
    Relations,
    WhiteBox,
)
from kdlab.runs import build
from kdlab.runs.ladder import ladder

# What did best at an end of its objective's grid may do better beyond it, so every choice has a smaller one and a larger
# one beside it. The defaults on Fashion were chosen when .03, .01 and .3 were the smallest of the first three.
CANDIDATES: dict[str, list[WhiteBox]] = {
    "fashion": [
        *(Hint(weight=w) for w in (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)),
        *(AttentionTransfer(weight=w) for w in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)),
        *(Gram(weight=w) for w in (0.03, 0.1, 0.3, 1, 3, 30)),
        *(JacobianMatch(weight=w) for w in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)),
    ],
    "glosses": [
        *(Hint(weight=w) for w in (0.01, 0.1, 1, 10)),
        *(Relations(weight=w) for w in (0.01, 0.1, 1, 10)),
        *(JacobianMatch(weight=w) for w in (0.1, 1, 10)),
    ],
}
STUDENTS = {"fashion": "cnn-small", "glosses": "bert-2x64"}


class Silent:
    """Watches nothing."""

    def point(self, point: object) -> None: ...

    def before_step(self, trainer: Trainer) -> bool:
        return False


def on_validation(dataset: str, pool: int | None, **budget: int) -> np.ndarray:
    """Validation accuracy (1 + candidates, seeds); the first row is logits alone."""
    soft = Arm(
        key="alone", label="Logits alone", hue="0", objective=ForwardKL(), temperature=2.0, kd_weight=0.9
    )
    arms = (
        soft,
        *(soft.model_copy(update={"key": f"c{i}", "white_box": o}) for i, o in enumerate(CANDIDATES[dataset])),
    )
    spec = ladder(dataset=dataset, student=STUDENTS[dataset], **budget)
    spec = spec.model_copy(update={"arms": arms, "contrasts": ()})
    arrays = registry.get_dataset(dataset).load()
    logits = build.load_logits(spec.teacher, build.home() / "cache" / "signals")
    # Evenly spread: the rows stand class by class.
    count = len(arrays.y_train)
    rows = np.linspace(0, count - 1, pool or count).round().astype(int)
    kept = replace(
        arrays,
        x_train=arrays.x_train[rows],
        y_train=arrays.y_train[rows],
        x_test=arrays.x_validation,
        y_test=arrays.y_validation,
    )
    answers = replace(logits, train=logits.train[rows], test=logits.validation)
    with (
        mock.patch.object(registry.Dataset, "load", return_value=kept),
        mock.patch.object(build, "load_logits", return_value=answers),
    ):
        trainer = build.make_trainer(spec)
    trainer.train(Silent())
    return np.array(trainer.outcome()["accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--dataset", choices=CANDIDATES, default="fashion")
    parser.add_argument("--seeds", type=int, default=3)
    for name in ("labels", "transfer", "epochs", "pool"):
        parser.add_argument(f"--{name}", type=int)
    asked = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    candidates = CANDIDATES[asked["dataset"]]
    accuracy = on_validation(asked.pop("dataset"), asked.pop("pool", None), **asked)
    print(f"logits alone {accuracy[0].mean():.4f}")
    for asked, found in zip(candidates, accuracy[1:], strict=True):
        gain = mean_interval(found - accuracy[0])
        print(
            f"{asked.title:<24} weight {asked.weight:<8g} {100 * gain.mean:+.2f} points ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
        )


if __name__ == "__main__":
    main()
