"""Which step size, how many tokens and which weight suit the page Language's race: scored on the validation chapters.

    python -m benchmarks.language_settings [--learning-rate 0.003 0.01] [--tokens 65536] [--kd-weight 0.5 1]

Each combination is a race of its own: text only, one teacher token a position, soft targets, two seeds. Prints bits per byte
of the validation text for each arm, the paired differences from text only, and the seconds of training. The test text is not
read.
"""

from __future__ import annotations

import argparse
import itertools
import time
from unittest import mock

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from kdlab.core.intervals import mean_interval
from kdlab.core.text_scores import bits_per_byte
from kdlab.data.corpora import get_corpus
from kdlab.distill.tasks.next_token import NextToken, head_of
from kdlab.distill.trainer import Trainer
from kdlab.models.own_tokens import own_tokens, windows
from kdlab.runs import build_text
from kdlab.runs.text_recipes import Race


class Silent:
    """Watches nothing."""

    def point(self, point: object) -> None: ...

    def before_step(self, trainer: Trainer) -> bool:
        return False


@torch.no_grad()
def on_validation(race: Race) -> tuple[np.ndarray, float]:
    """Bits per byte (arms, seeds), and the seconds that training took without points."""
    with (
        mock.patch.object(NextToken, "scores", return_value={}),
        mock.patch.object(Trainer, "measure"),
        torch.enable_grad(),
    ):
        trainer = build_text.make_text_trainer(race.spec(), lambda done, total: None)
        started = time.perf_counter()
        trainer.train(Silent())
        seconds = time.perf_counter() - started
    tokens = own_tokens(race.teacher, race.dataset)
    rows = windows(tokens.encode(get_corpus(race.dataset).load().validation)[0])
    read = torch.from_numpy(rows)
    byte_count = tokens.byte_lengths[rows[:, 1:]].sum()
    nats = []
    for group in trainer.cohort.groups:
        said = torch.cat([group.shared_outputs(part) for part in read[:, :-1].split(32)], dim=1).flatten(1, 2)
        nats += [
            sum(
                cross_entropy(part @ head.T, ids, reduction="sum").item()
                for part, ids in zip(one.split(1024), read[:, 1:].flatten().split(1024), strict=True)
            )
            for one, head in zip(said, head_of(group), strict=True)
        ]
    return bits_per_byte(np.array(nats), byte_count).reshape(race.seeds, -1).T, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    begin = Race()
    for name in ("learning_rate", "tokens", "batch_size", "kd_weight", "temperature", "student"):
        own = getattr(begin, name)
        parser.add_argument(f"--{name.replace('_', '-')}", nargs="+", type=type(own), default=[own])
    asked = vars(parser.parse_args())
    for values in itertools.product(*asked.values()):
        race = Race(**dict(zip(asked, values, strict=True)))
        found, seconds = on_validation(race)
        print(", ".join(f"{name} {value}" for name, value in zip(asked, values, strict=True)), f"{seconds:.0f} s")
        for arm, scores in zip(race.spec().arms, found, strict=True):
            gain = mean_interval(scores - found[0])
            print(f"  {arm.label:<20} {scores.mean():.3f}  {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})", flush=True)


if __name__ == "__main__":
    main()
