"""The systems that the lesson names: their sizes, what each opens of itself, how to come by it. Every number has its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kdlab.lessons.path import ACCESS, SOFT_TARGETS, LabPage

Role = Literal["teacher", "student"]
Opens = Literal["weights", "api", "nothing"]
"""What is open of a system: its weights, so all; an API, so what that sends; nothing any more."""

RUNGS = (
    "Label",
    "Label and probability",
    "Top k",
    "All probabilities",
    "Logits",
    "Hidden states",
    "Attention",
    "Gradients",
    "Weights",
)
_BY_API = {"Label": "open", "Label and probability": "perhaps", "Top k": "perhaps"}


@dataclass(frozen=True)
class System:
    """parameters: None where they were not published. size_source: who says so. opens_why: why these rungs and no others.
    install: how to come by it. here: what this lab does with it, or why nothing; page and query: where. published:
    what distilling it or into it gave, with its source."""

    name: str
    role: Role
    parameters: float | None
    size_source: str
    opens: Opens
    opens_why: str
    install: str
    here: str
    published: str
    page: LabPage | None = None
    link: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def rung(self, name: str) -> str:
        """Whether it shows this rung: "open", "perhaps", "closed"."""
        if self.opens == "weights":
            return "open"
        return _BY_API.get(name, "closed") if self.opens == "api" else "closed"


_PAPERS = {"data": "glosses", "papers": "true"}  # the ladder, with the papers' recipes as arms
_OPEN_WEIGHTS = "Its weights are open: whoever has them computes every rung."
_HUB = "`transformers` is installed with the lab; the weights come from the Hugging Face hub as `{}`."
_CLASSIFIES = "Fine-tuned to classify, it teaches texts that you bring: *Your own texts and teacher*, below."
_TEXT_ONLY = (
    "It writes text, and this lab's students classify: it is none of them. `transformers serve` makes it *a teacher behind an "
    "API*, below, that shows its answers alone. It is as small as a student, and yet no teacher taught it: it was trained on text."
)

SYSTEMS = (
    System(
        "GPT-4",
        "teacher",
        None,
        "Not published: its report gives no model size (OpenAI 2023, arXiv 2303.08774).",
        "api",
        "An API sends what it likes: the answer, and for some models up to 20 log-probabilities a token (types of the "
        "client openai 3.57), which newer ones may refuse. Nothing inside ever left OpenAI.",
        "Nothing: a key of the provider's. OpenAI's list of deprecations names 23 October 2026 as gpt-4's last day; a "
        "successor opens the same rungs at most (developers.openai.com/api/docs/deprecations).",
        "*A teacher behind an API*, below, asks any endpoint that speaks as OpenAI's does. What its rungs are worth to a student, "
        "from the label to the likeliest classes, the ladder finds out with one of the lab's teachers in its place.",
        "",
        ACCESS,
        "Climb the black box's rungs",
    ),
    System(
        "PaLM",
        "teacher",
        540e9,
        "540 billion parameters (Chowdhery et al. 2022, arXiv 2204.02311).",
        "nothing",
        "Its weights were never released, and its API was shut down on 9 April 2025 "
        "(cloud.google.com/vertex-ai/generative-ai/docs/deprecations).",
        "It cannot be had.",
        "Nobody can ask it any more. A student that learned from it would be all that is left.",
        "",
    ),
    System(
        "LLaMA-2-70B",
        "teacher",
        70e9,
        "70 billion parameters (Touvron et al. 2023, arXiv 2307.09288).",
        "weights",
        f"{_OPEN_WEIGHTS} Behind a server that somebody else runs it is a black box again.",
        f"{_HUB.format('meta-llama/Llama-2-70b-hf')} Its licence has to be accepted there first.",
        "It writes text. A server such as vLLM makes it *a teacher behind an API*, below, with up to 20 log-probabilities unless "
        "its `--max-logprobs` says otherwise.",
        "",
    ),
    System(
        "BERT",
        "teacher",
        110e6,
        "BERT-base: 110 million parameters (Devlin et al. 2018, arXiv 1810.04805).",
        "weights",
        _OPEN_WEIGHTS,
        _HUB.format("google-bert/bert-base-uncased"),
        f"{_CLASSIFIES} The lab's MiniLM-L6 is a BERT of 6 layers, itself distilled by others: it teaches what a gloss is about.",
        "As DistilBERT's teacher: 79.5 on GLUE (Sanh et al. 2019, arXiv 1910.01108).",
        SOFT_TARGETS,
        "See MiniLM-L6's soft targets",
        {"data": "glosses"},
    ),
    System(
        "GPT-Neo",
        "student",
        125e6,
        "The smallest has 125 million; there are 1.3 and 2.7 billion too (github.com/EleutherAI/gpt-neo).",
        "weights",
        _OPEN_WEIGHTS,
        _HUB.format("EleutherAI/gpt-neo-125m"),
        _TEXT_ONLY,
        "",
    ),
    System(
        "TinyLLaMA",
        "student",
        1.1e9,
        "1.1 billion parameters (Zhang et al. 2024, arXiv 2401.02385).",
        "weights",
        _OPEN_WEIGHTS,
        _HUB.format("TinyLlama/TinyLlama-1.1B-Chat-v1.0"),
        _TEXT_ONLY,
        "",
    ),
    System(
        "DistilBERT",
        "student",
        66e6,
        "66 million parameters (Sanh et al. 2019, arXiv 1910.01108).",
        "weights",
        _OPEN_WEIGHTS,
        _HUB.format("distilbert/distilbert-base-uncased"),
        f"{_CLASSIFIES} Its recipe is an arm of the ladder: copied layers, soft targets, and the cosine of hidden states; its "
        "place as a student is taken by a BERT that trains within minutes and, like DistilBERT, is as wide as its teacher.",
        "97 % of BERT's score kept, 40 % smaller, 60 % faster; GLUE 79.5 → 77.0 (Sanh et al. 2019, arXiv 1910.01108).",
        ACCESS,
        "Run DistilBERT's recipe",
        _PAPERS | {"student": "bert-2x384"},
    ),
    System(
        "TinyBERT",
        "student",
        14.5e6,
        "TinyBERT-4, of 4 layers: 14.5 million parameters (Jiao et al. 2019, arXiv 1909.10351).",
        "weights",
        _OPEN_WEIGHTS,
        _HUB.format("huawei-noah/TinyBERT_General_4L_312D"),
        "Its recipe is an arm of the ladder: hidden states, attention scores and embeddings, then the prediction. Its place is "
        "taken by a BERT with as many heads of attention as its teacher, which the scores need.",
        "96.8 % of BERT-base's score kept, 7.5× smaller, 9.4× faster (Jiao et al. 2019, arXiv 1909.10351).",
        ACCESS,
        "Run TinyBERT's recipe",
        _PAPERS | {"student": "bert-2x384"},
    ),
)


@dataclass(frozen=True)
class Kept:
    """A student's published result: the share of the teacher's score that it kept, how many times smaller it is."""

    name: str
    share: float
    smaller: float
    source: str


PUBLISHED = (
    Kept("DistilBERT", 0.97, 1 / 0.6, "arXiv 1910.01108"),
    Kept("TinyBERT-4", 0.968, 7.5, "arXiv 1909.10351"),
)
