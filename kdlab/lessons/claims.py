"""What the lesson claims of black box and white box, each as a question, with what was published beside it."""

from __future__ import annotations

from typing import NamedTuple


class Claim(NamedTuple):
    """key names how a run answers it (`kdlab.ui.access.claims`). published carries its source; empty where the lab has none."""

    key: str
    question: str
    published: str


CLAIMS = (
    Claim(
        "accuracy",
        "Is white box more accurate?",
        "Not as a rule. On one pair of networks (WRN-40-2 to WRN-16-2) plain distillation of outputs gives 74.92 % and "
        "all eleven others, which match what the teacher holds inside, less; contrastive distillation gives 75.48 % (RepDistiller's "
        "table, arXiv 1910.10699). DistilBERT's largest ablation is another white box: its first weights, copied from the "
        "teacher, are worth 3.69 points (arXiv 1910.01108).",
    ),
    Claim(
        "small",
        "Is white box better for small students?",
        "A gap may be too wide: from VGG-13 to MobileNetV2, attention transfer gives 59.40 % where the student alone gives "
        "64.60 % (RepDistiller's table, arXiv 1910.10699).",
    ),
    Claim(
        "cost",
        "Is white box heavier?",
        "",
    ),
    Claim(
        "api",
        "Does black box work through somebody else's API?",
        "What an API shows differs: OpenAI's for chat 0 to 20 log-probabilities a token (openai 3.57's types), "
        "Anthropic's none (litellm#4031).",
    ),
    Claim(
        "rare",
        "Does black box miss how the teacher treats rare words?",
        "",
    ),
)
