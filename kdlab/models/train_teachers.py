"""Train the bundled teachers again: `python -m kdlab.models.train_teachers NAME` (`pocket`: see `kdlab.models.train_pocket`).

Writes NAME.safetensors (float16), NAME.json (the card) and NAME.logits.npz (its answers on the whole data set,
computed from the stored weights). A teacher is trained apart from what the lab's students see, where there is enough
data for that, and nothing about it is chosen by the test set. Labels are never smoothed: a teacher of smoothed labels
loses what its soft targets know about likeness (Müller, Kornblith and Hinton 2019, arXiv 1906.02629).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdlab.core.calibration import expected_calibration_error
from kdlab.core.probability import entropy, softmax
from kdlab.data import FILES
from kdlab.data.build import read_fashion_package
from kdlab.data.glosses import gloss_rows
from kdlab.data.registry import (
    LANGUAGE_CLASSES,
    SNIPPET_WORDS,
    Dataset,
    get_dataset,
    language_paragraphs,
    snippets,
)
from kdlab.data.text import UNKNOWN, encode
from kdlab.models.catalogue import TEACHERS, get_teacher, teacher_card, weights_path, weights_sha256
from kdlab.models.checkpoints import read_teacher, save_checkpoint
from kdlab.models.networks import start_of_teacher

Examples = tuple[Tensor, Tensor]
Augment = Callable[[Tensor, torch.Generator], Tensor]
Deal = Callable[[Tensor, int, torch.Generator], Iterable[Tensor]]


def deal_at_random(x: Tensor, batch: int, generator: torch.Generator) -> Iterable[Tensor]:
    """Row numbers of every full batch of one epoch."""
    return torch.randperm(len(x), generator=generator)[: len(x) // batch * batch].split(batch)


def deal_by_length(x: Tensor, batch: int, generator: torch.Generator) -> Iterable[Tensor]:
    """As `deal_at_random`, but ten batches share their texts out by length: short ones then cost less."""
    length = (x > 0).sum(1)
    drawn = torch.cat(list(deal_at_random(x, batch, generator)))
    batches = [part for some in drawn.split(10 * batch) for part in some[length[some].argsort()].split(batch)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


@dataclass(frozen=True)
class TeacherTraining:
    """How one teacher is trained: its examples, what is done to them at every sight, and the optimiser's numbers."""

    examples: Callable[[], Examples]
    augment: Augment
    data: str
    how: str
    choice: str
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    seed: int = 0
    deal: Deal = deal_at_random


def digits_examples() -> Examples:
    """The 800 training digits: there are too few to keep some of them for the teacher alone."""
    arrays = get_dataset("digits").load()
    return torch.tensor(arrays.x_train), torch.tensor(arrays.y_train)


def jitter(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift by up to .6 pixel, turn by up to 11°, and scale by up to 12 % each way."""
    count = len(x)

    def within(limit: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    angle, shift_x, shift_y = within(math.radians(11)), within(0.6 / 4), within(0.6 / 4)
    wide, high = 1 + within(0.12), 1 + within(0.12)
    top = torch.stack([angle.cos() * wide, -angle.sin() * high, shift_x], 1)
    bottom = torch.stack([angle.sin() * wide, angle.cos() * high, shift_y], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), [count, 1, *x.shape[1:]], align_corners=False)
    return F.grid_sample(x.unsqueeze(1), grid, align_corners=False).squeeze(1)


def fashion_examples() -> Examples:
    """The 54,000 training pictures of Fashion-MNIST that the lab's file does not hold, from its Debian package."""
    images, labels = read_fashion_package("train")
    with np.load(FILES / "fashion_mnist_6000_2000.npz") as arrays:
        own = np.setdiff1d(np.arange(len(labels)), arrays["train_index"])
    return torch.tensor(images[own]).float() / 255, torch.tensor(labels[own]).long()


def flip_shift_erase(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the pictures, shift each by up to 2 pixels, blacken a rectangle (4–12 pixels) in half of them."""
    count, size = len(x), x.shape[-1]

    def draw(low: int, high: int) -> Tensor:
        return torch.randint(low, high, (count, 1), generator=generator)

    place = torch.arange(size)
    rows, columns = place + draw(0, 5), place + draw(0, 5)
    columns = torch.where(draw(0, 2) == 1, columns.flip(1), columns)
    x = F.pad(x, (2, 2, 2, 2))[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    top, left = draw(-4, size), draw(-4, size)
    covered_rows = (place >= top) & (place < top + draw(4, 13)) & (draw(0, 2) == 1)
    covered_columns = (place >= left) & (place < left + draw(4, 13))
    return x.masked_fill(covered_rows[:, :, None] & covered_columns[:, None, :], 0)


def language_examples() -> Examples:
    """Every run of 1 to 12 words in the teacher's own paragraphs, once, with as many for every language."""
    paragraphs = language_paragraphs()
    rng = np.random.RandomState(0)
    texts: list[str] = []
    labels: list[int] = []
    for length in SNIPPET_WORDS:
        runs = [list(snippets(paragraphs["teacher", language], length, rng)) for language in LANGUAGE_CLASSES]
        fewest = min(len(of_language) for of_language in runs)
        for label, of_language in enumerate(runs):
            texts += of_language[:fewest]
            labels += [label] * fewest
    return torch.from_numpy(encode(texts)), torch.tensor(labels)


def hide_characters(x: Tensor, generator: torch.Generator) -> Tensor:
    """Make 3 % of the characters unknown, as a typing slip or a foreign sign would."""
    hidden = torch.rand(x.shape, generator=generator) < 0.03
    return torch.where(hidden & (x > 0), UNKNOWN, x)


def gloss_examples() -> Examples:
    """The teacher's own 6,000 glosses."""
    rows = gloss_rows("train")
    return torch.from_numpy(rows.x), torch.from_numpy(rows.y)


def cut_padding(x: Tensor, _: torch.Generator) -> Tensor:
    """Without the places where all texts of the batch are padding: the same answers in less time."""
    return x[:, : int((x > 0).sum(1).max())]


TRAININGS: dict[str, TeacherTraining] = {
    "digits": TeacherTraining(
        digits_examples,
        jitter,
        data="The 800 training digits, which the students learn from too: of 1,797 in all there are too few to keep "
        "teacher and students apart. The 200 validation and the 797 test digits it never saw.",
        how="AdamW, one cycle of the learning rate; every digit shifted (.6 pixel), turned (11°) and scaled (12 %) "
        "at random at every sight; hard labels, no label smoothing.",
        choice="Settings set once and kept; none was compared with another.",
        epochs=300,
        batch=100,
        learning_rate=3e-3,
        weight_decay=0.05,
    ),
    "fashion": TeacherTraining(
        fashion_examples,
        flip_shift_erase,
        data="The 54,000 training pictures that the lab does not hold: it never saw a picture that students learn from, "
        "that settings are chosen by, or that is tested.",
        how="AdamW, one cycle of the learning rate, bfloat16 arithmetic; every picture mirrored, shifted (2 pixels) "
        "or partly covered at random at every sight; hard labels, no label smoothing.",
        choice="Eight epochs, set beforehand for what two processor cores do in a quarter of an hour; nothing was compared."
        " Network, step size and weight decay are those of an earlier teacher, set with its test accuracy in view.",
        epochs=8,
        batch=256,
        learning_rate=6e-3,
        weight_decay=0.02,
    ),
    "languages": TeacherTraining(
        language_examples,
        hide_characters,
        data="Every run of 1 to 12 words in three of eight paragraphs, as many for every language; the students, "
        "validation and the test have the other five. What stands in both is mostly a word or two.",
        how="AdamW, one cycle of the learning rate; 30 % of the n-grams dropped and 3 % of the characters made "
        "unknown at random at every sight; hard labels, no label smoothing.",
        choice="The best of three settings by validation accuracy: one or two epochs at learning rate .01 (.894, .904), "
        "one at .005 (.894). The network's widths, dropout and weight decay are those of an "
        "earlier teacher of other paragraphs, set with its test accuracy in view.",
        epochs=2,
        batch=256,
        learning_rate=1e-2,
        weight_decay=0.05,
    ),
    "glosses": TeacherTraining(
        gloss_examples,
        cut_padding,
        data="6,000 glosses of its own, 600 of each class: it never saw one that students learn from, that settings are "
        "chosen by, or that is tested. Before that others had pretrained it on more than a billion pairs of sentences from "
        "the web, of which nobody here knows whether a gloss was among them.",
        how="AdamW, one cycle of the learning rate; of the encoder only updates of rank 16 on every linear layer are trained "
        "(LoRA, Hu et al. 2021, arXiv 2106.09685), and the classifier on the mean of the last hidden states; hard labels, "
        "no label smoothing, no dropout.",
        choice="Settings set once and kept; none was compared with another.",
        epochs=3,
        batch=32,
        learning_rate=1e-3,
        weight_decay=0.01,
        deal=deal_by_length,
    ),
}


def train(name: str) -> tuple[nn.Module, float]:
    """A teacher trained from its start, and the seconds that took. The same seed, the same teacher."""
    training = TRAININGS[name]
    torch.manual_seed(training.seed)
    generator = torch.Generator().manual_seed(training.seed)
    x, y = training.examples()
    module = start_of_teacher(name).to(memory_format=torch.channels_last)
    steps = len(x) // training.batch
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, training.learning_rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.learning_rate, total_steps=training.epochs * steps, pct_start=0.2
    )
    started = time.perf_counter()
    for epoch in range(training.epochs):
        module.train()
        total = 0.0
        for chosen in training.deal(x, training.batch, generator):
            with torch.autocast("cpu", torch.bfloat16, enabled=name == "fashion"):
                logits = module(training.augment(x[chosen], generator))
            loss = F.cross_entropy(logits.float(), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"{name}: epoch {epoch + 1} of {training.epochs}, cross-entropy {total / steps:.4f}", flush=True)
    return module.eval(), time.perf_counter() - started


@torch.inference_mode()
def logits_of(module: nn.Module, x: np.ndarray) -> np.ndarray:
    """Logits of a whole array, (N, *input_shape) → (N, K) float32.

    Of texts (N, L) the short ones come first, in batches without common padding: the same answers in half the time.
    """
    is_text = np.issubdtype(x.dtype, np.integer)
    length = (x > 0).sum(1) if is_text else np.zeros(len(x))
    order = np.argsort(length, kind="stable")
    batches = [
        torch.tensor(x[rows][:, : length[rows].max()] if is_text else x[rows])
        for rows in np.array_split(order, max(1, len(x) // 500))
    ]
    return torch.cat([module(batch) for batch in batches]).numpy()[np.argsort(order)]


def answers_of(name: str, module: nn.Module) -> dict[str, np.ndarray]:
    """A teacher's logits on each split of its data set."""
    splits = get_dataset(get_teacher(name).dataset).load().splits()
    return {split: logits_of(module, x) for split, (x, _) in splits.items()}


def accuracy_by_words(dataset: Dataset, right: np.ndarray) -> dict[str, float]:
    """Test accuracy by the number of words in the snippet."""
    words = np.array([len(text.split()) for text in dataset.load().text_test or ()])
    return {str(count): round(float(right[words == count].mean()), 4) for count in SNIPPET_WORDS}


def make_card(
    name: str, module: nn.Module, logits: dict[str, np.ndarray], trained: dict[str, Any]
) -> dict[str, Any]:
    """Everything a reader of the teacher should know, measured on its stored weights. trained: how long, on what."""
    training, dataset = TRAININGS[name], get_dataset(get_teacher(name).dataset)
    arrays = dataset.load()
    right = {split: logits[split].argmax(1) == y for split, (_, y) in arrays.splits().items()}
    x, y = training.examples()
    right_on_seen = logits_of(module, x.numpy()).argmax(1) == y.numpy()
    met = {example.tobytes() for example in x.numpy()}
    seen = {split: np.array([one.tobytes() in met for one in x]) for split, (x, _) in arrays.splits().items()}
    right_on_unseen = np.concatenate([right[split][~seen[split]] for split in right])
    card = {
        "name": name,
        "title": get_teacher(name).title,
        "dataset": dataset.name,
        "data": training.data,
        "how": training.how,
        "choice": training.choice,
        "seed": training.seed,
        "epochs": training.epochs,
        "batch": training.batch,
        "learning_rate": training.learning_rate,
        "weight_decay": training.weight_decay,
        **trained,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "weights_dtype": "float16",
        "weights_bytes": weights_path(name).stat().st_size,
        "weights_sha256": weights_sha256(name),
        **{f"{split}_accuracy": round(float(right[split].mean()), 4) for split in right},
        **{f"{split}_seen": int(seen[split].sum()) for split in seen},
        "seen_accuracy": round(float(right_on_seen.mean()), 4),
        "seen_size": len(right_on_seen),
        "unseen_accuracy": round(float(right_on_unseen.mean()), 4),
        "unseen_size": len(right_on_unseen),
        "test_errors": int((~right["test"]).sum()),
        "test_size": len(right["test"]),
        "test_cross_entropy": round(
            float(F.cross_entropy(torch.tensor(logits["test"]), torch.tensor(arrays.y_test))), 4
        ),
        "calibration_error": round(expected_calibration_error(softmax(logits["test"]), arrays.y_test), 4),
        "calibration_error_is": "Expected calibration error on the test set, 15 equal bins of confidence (Guo et al. "
        "2017, arXiv 1706.04599).",
        "soft_target_entropy": round(float(entropy(softmax(logits["train"])).mean()), 4),
        "soft_target_entropy_is": "Mean entropy at T = 1 on the students' training examples, in bits.",
    }
    if dataset.name == "languages":
        card["test_accuracy_by_words"] = accuracy_by_words(dataset, right["test"])
    return card


def write_logits(name: str, logits: dict[str, np.ndarray]) -> None:
    """Stores a bundled teacher's answers on the whole of its data set."""
    np.savez_compressed(
        weights_path(name).with_suffix(".logits.npz"),
        **logits,
        dataset_fingerprint=get_dataset(get_teacher(name).dataset).fingerprint(),
        weights_sha256=weights_sha256(name),
    )


def _trained_and_stored(name: str) -> dict[str, Any]:
    """Trains a teacher and writes its weights; how long that took, and on what."""
    trained, seconds = train(name)
    save_checkpoint(trained, weights_path(name), {"teacher": name, "how": TRAININGS[name].how}, torch.float16)
    return {
        "training_seconds": round(seconds, 1),
        "training_seconds_are": "wall-clock, other work on the processor included",
        "training_device": f"CPU, {torch.get_num_threads()} threads, torch {torch.__version__}",
    }


def main() -> None:
    if sys.argv[1:2] == ["pocket"]:  # a language model, which has its own options
        from kdlab.models import train_pocket  # brings transformers in

        train_pocket.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description="Train a bundled teacher again, or only measure it and compute its answers again.",
        epilog="The language model's teacher: train_teachers pocket --help",
    )
    parser.add_argument("name", choices=[*TEACHERS])
    parser.add_argument(
        "--logits-only", action="store_true", help="keep the weights; compute answers and card again"
    )
    arguments = parser.parse_args()
    name = arguments.name
    path = weights_path(name).with_suffix(".json")
    if arguments.logits_only:
        trained = {key: value for key, value in teacher_card(name).items() if key.startswith("training_")}
    else:
        trained = _trained_and_stored(name)
    stored = read_teacher(name).eval()
    logits = answers_of(name, stored)
    card = json.dumps(make_card(name, stored, logits, trained), indent=2, ensure_ascii=False)
    path.write_text(f"{card}\n", encoding="utf-8")
    print(card)
    write_logits(name, logits)


if __name__ == "__main__":
    main()
