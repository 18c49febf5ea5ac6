"""What a language model alone can be asked: of tokens that a teacher drew, of the text itself, of text that it wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kdlab.distill.access import Access
from kdlab.distill.objective import Objective, Softened

if TYPE_CHECKING:
    from kdlab.distill.rowwise import Rows


class TextObjective(Objective):
    """An objective that is asked of tokens in a text."""

    tasks: ClassVar[tuple[str, ...]] = ("next_token",)


class SampledKL(TextObjective, Softened):
    name: Literal["sampled_kl"] = "sampled_kl"
    title = "Sampled soft targets"
    what = "Learn from a few tokens that the teacher draws at each position: on average its whole distribution."
    formula = r"-\frac{T^2}{N} \sum_{j=1}^{N} \log q_T[k_j],\quad k_j \sim p_T"
    paper = "Anshumann et al. 2025, arXiv 2503.16870"
    needs = "sampled"

    draws: int = Field(
        16,
        ge=1,
        le=16,
        description="How many tokens the teacher draws at each position.",
        json_schema_extra={"title": "Draws", "step": 1},
    )

    @property
    def access(self) -> Access:
        return Access("sampled", self.draws)

    def rows(self) -> Callable[..., Rows]:
        from kdlab.distill.objectives import sampled_kl_rows

        return sampled_kl_rows


class RenormalisedTopKKL(TextObjective, Softened):
    name: Literal["renormalised_top_k_kl"] = "renormalised_top_k_kl"
    title = "Top-k, renormalised"
    what = "Forward KL among the teacher's likeliest tokens alone, as if there were no others on either side."
    formula = r"T^2 \sum_{k \in \text{top}} \hat p_T \log \frac{\hat p_T}{\hat q_T}"
    paper = "ms-swift's gkd_loss, and TRL without loss_add_tail: what leaves the rest of the vocabulary free"
    needs = "top_k"

    k: int = Field(
        16,
        ge=2,
        le=64,
        description="How many of its likeliest tokens the teacher shows.",
        json_schema_extra={"title": "Tokens shown", "step": 1},
    )

    @property
    def access(self) -> Access:
        return Access("top_k", self.k)

    def rows(self) -> Callable[..., Rows]:
        from kdlab.distill.objectives import renormalised_top_k_rows

        return renormalised_top_k_rows


class TextAlone(TextObjective):
    name: Literal["text"] = "text"
    title = "The text itself"
    what = "Cross-entropy with the tokens of the text that is read: of text that the teacher wrote, all that a black box gives."
    formula = r"-\log q[y]"
    paper = "Kim and Rush 2016 (sequence-level distillation), arXiv 1606.07947"
    needs = "text"
    uses_labels = True

    def rows(self) -> Callable[..., Rows]:
        from kdlab.distill.objectives import text_rows

        return text_rows


class PolicyGradient(TextObjective):
    name: Literal["policy_gradient"] = "policy_gradient"
    title = "Policy gradient"
    what = "Reverse KL from one token that the student wrote: more of what the teacher finds likelier than it does."
    formula = r"\left(\log \frac{q[y]}{p[y]} - b\right) \log q[y],\quad y \sim q"
    paper = "Gu et al. 2024 (MiniLLM), arXiv 2306.08543, a single step"
    needs = "token"
    uses_labels = True

    baseline: bool = Field(
        True,
        description="Takes away the mean of the other windows' log-ratios: the same gradient on average, with less chance in it.",
        json_schema_extra={"title": "With a baseline"},
    )

    def rows(self) -> Callable[..., Rows]:
        from kdlab.distill.objectives import policy_gradient_rows

        return policy_gradient_rows
