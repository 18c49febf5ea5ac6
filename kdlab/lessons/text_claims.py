"""What is said of distilling language models, each as a question, with what was published beside it."""

from __future__ import annotations

from typing import NamedTuple


class TextClaim(NamedTuple):
    """key names how a run answers it (`kdlab.ui.language.claims`); recipe: the experiment that can. published carries its source;
    empty where the lab has none."""

    key: str
    recipe: str
    question: str
    published: str


TEXT_CLAIMS = (
    TextClaim(
        "soft",
        "race",
        "Do soft targets beat text alone?",
        "On HumanEval a LLaMA-3.2 student fine-tuned on text alone reached 22.0, with forward KL 22.6, with reverse KL 20.7 and with "
        "the symmetric one 23.2, one run each (torchtune#2094).",
    ),
    TextClaim(
        "one",
        "race",
        "Is one token of the teacher's enough?",
        "Tinker's on-policy recipe reads one sampled token's log-ratio a position and reports AIME'24 from about 65 % to about 76.7 % "
        "in 200 steps (its cookbook's README). Random sampling of 12 tokens a position costs under 10 % over cross-entropy "
        "(Anshumann et al. 2025, arXiv 2503.16870, abstract).",
    ),
    TextClaim(
        "rare",
        "race",
        "Does black box miss how the teacher handles rare words?",
        "",
    ),
    TextClaim(
        "modes",
        "prefixes",
        "Does reverse KL seek modes in a language model?",
        "MiniLLM, which learns by reverse KL on its own text, gives a GPT-2 of 120 million parameters a Rouge-L of 24.6 on Dolly, where "
        "fine-tuning gives 23.3 (Gu et al. 2024, arXiv 2306.08543).",
    ),
    TextClaim(
        "own",
        "prefixes",
        "Does on-policy distillation help on the student's own text?",
        "GKD reports 2.1 times (XSum), 1.7 times (WMT) and 1.9 times (GSM8K) the gain of its baseline distillation "
        "(Agarwal et al. 2024, arXiv 2306.13649).",
    ),
)
