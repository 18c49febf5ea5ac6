"""Every objective that an arm can have: what it is, what it needs of the teacher, and its controls.

A new objective is one more class here. Its fields are its controls: the spec, the pages, the command line and the
store read them from the class. No torch is imported until a loss is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union

from pydantic import Field

import kdlab.distill.text_objectives  # noqa: F401 - its classes are objectives too
from kdlab.distill.access import Access
from kdlab.distill.objective import Given, Objective, Softened

if TYPE_CHECKING:
    from torch import Tensor

    from kdlab.distill.rowwise import Rows


class ForwardKL(Softened):
    is_soft_targets: ClassVar[bool] = True

    name: Literal["forward_kl"] = "forward_kl"
    tasks = ("classification", "next_token")
    title = "Forward KL"
    what = "Cover everything the teacher thinks possible."
    formula = r"T^2 \sum_k p_T \log \frac{p_T}{q_T}"
    paper = "Hinton, Vinyals and Dean 2015, arXiv 1503.02531"
    needs = "logits"

    @property
    def term(self) -> str:
        return "T² · KL" if self.t_squared else "KL"

    def rows(self) -> Callable[..., Rows]:
        from kdlab.distill.objectives import forward_kl_rows

        return forward_kl_rows

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import forward_kl_loss

        return forward_kl_loss(
            given.student_logits, given.teacher, given.temperature, given.mask, self.t_squared
        )


class QuantisedKL(ForwardKL):
    is_soft_targets: ClassVar[bool] = False

    name: Literal["quantised_kl"] = "quantised_kl"  # type: ignore[assignment]
    tasks = ("classification",)
    title = "KL on coarse logits"
    what = "Forward KL where each of the teacher's logits comes in a few bits only."
    formula = r"T^2 \sum_k \hat p_T \log \frac{\hat p_T}{q_T},\quad \hat z_k \in \{1, \dots, 2^b\}\text{-th level}"
    paper = "Hinton, Vinyals and Dean 2015, arXiv 1503.02531, on quantised logits"

    bits: int = Field(
        4,
        ge=1,
        le=16,
        description="Bits of a logit: 2 to that power even levels between a row's smallest logit and its largest.",
        json_schema_extra={"title": "Bits a logit", "step": 1},
    )

    @property
    def access(self) -> Access:
        return Access("logits", bits=self.bits)


class SoftCrossEntropy(Softened):
    name: Literal["soft_cross_entropy"] = "soft_cross_entropy"
    title = "Soft cross-entropy"
    what = "Forward KL plus the teacher's entropy: the same gradient, a floor above zero."
    formula = r"-T^2 \sum_k p_T \log q_T"
    paper = "Hinton, Vinyals and Dean 2015, arXiv 1503.02531"
    needs = "logits"

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import soft_cross_entropy_loss

        return soft_cross_entropy_loss(
            given.student_logits, given.teacher, given.temperature, given.mask, self.t_squared
        )


class ReverseKL(Softened):
    name: Literal["reverse_kl"] = "reverse_kl"
    tasks = ("classification", "next_token")
    title = "Reverse KL"
    what = "Say nothing that the teacher finds impossible, even if some of what it says is left out."
    formula = r"T^2 \sum_k q_T \log \frac{q_T}{p_T}"
    paper = "Gu et al. 2024 (MiniLLM), arXiv 2306.08543"
    needs = "logits"

    def rows(self) -> Callable[..., Rows]:
        from kdlab.distill.objectives import reverse_kl_rows

        return reverse_kl_rows

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import reverse_kl_loss

        return reverse_kl_loss(
            given.student_logits, given.teacher, given.temperature, given.mask, self.t_squared
        )


class GeneralizedJSD(Softened):
    name: Literal["generalized_jsd"] = "generalized_jsd"
    tasks = ("classification", "next_token")
    title = "Jensen–Shannon"
    what = "Both judge their distance from a mixture: between covering and seeking."
    formula = (
        r"T^2 \left[\beta\,\mathrm{KL}(p_T \| M) + (1-\beta)\,\mathrm{KL}(q_T \| M)\right],"
        r"\quad M = \beta p_T + (1-\beta) q_T"
    )
    paper = "Agarwal et al. 2024 (GKD), arXiv 2306.13649"
    needs = "logits"

    beta: float = Field(
        0.5,
        ge=0,
        le=1,
        description="The teacher's share in the mixture. Near 0 it acts like forward KL, near 1 like reverse KL.",
        json_schema_extra={"title": "β", "step": 0.01},
    )
    continuous: bool = Field(
        False,
        description="Divides by β(1 − β), so that the ends are the two KLs instead of zero.",
        json_schema_extra={"title": "Continuous at the ends"},
    )

    @property
    def constant_because(self) -> str | None:
        if self.continuous or 0 < self.beta < 1:
            return None
        return (
            f"At β = {self.beta:g} the Jensen–Shannon divergence, as it is defined, is 0 for every student."
        )

    def rows(self) -> Callable[..., Rows]:
        from kdlab.distill.objectives import generalized_jsd_rows

        return generalized_jsd_rows(self.beta, self.continuous)

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import generalized_jsd_loss

        return generalized_jsd_loss(
            given.student_logits,
            given.teacher,
            self.beta,
            given.temperature,
            given.mask,
            self.t_squared,
            self.continuous,
        )


class LogitMSE(Objective):
    name: Literal["logit_mse"] = "logit_mse"
    title = "Logit MSE"
    what = "Match the raw scores themselves, whatever the temperature."
    formula = r"\frac{1}{K} \sum_k (z_s - z_t)^2"
    paper = "Ba and Caruana 2014, arXiv 1312.6184"
    needs = "logits"
    needs_scale = True

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import logit_mse_loss

        return logit_mse_loss(given.student_logits, given.teacher, mask=given.mask)


class DKD(Softened):
    name: Literal["dkd"] = "dkd"
    title = "Decoupled KD"
    what = "Weigh how sure the teacher is apart from what it thinks of the other classes."
    formula = (
        r"T^2 \left[a\,\mathrm{KL}(\pi_t \| \pi_s) + b\,\mathrm{KL}(\hat p_t \| \hat p_s)\right],"
        r"\quad \pi = (\text{target}, \text{rest})"
    )
    paper = "Zhao et al. 2022, arXiv 2203.08679"
    needs = "logits"
    uses_labels = True

    target_weight: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Weight a of how sure the teacher is of the target class.",
        json_schema_extra={"title": "Target weight a", "step": 0.1},
    )
    non_target_weight: float = Field(
        2.0,
        ge=0,
        le=20,
        description="Weight b of what the teacher thinks of the other classes: its dark knowledge. The paper uses 1 to "
        "8; a large one drowns the target in a short run.",
        json_schema_extra={"title": "Non-target weight b", "step": 0.1},
    )

    @property
    def constant_because(self) -> str | None:
        if self.target_weight or self.non_target_weight:
            return None
        return "With both weights at 0, Decoupled KD is 0 for every student."

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import dkd_loss

        weights = (self.target_weight, self.non_target_weight)
        return dkd_loss(
            given.student_logits,
            given.teacher,
            given.labels,
            *weights,
            given.temperature,
            given.mask,
            self.t_squared,
        )


class TopKKL(Softened):
    name: Literal["top_k_kl"] = "top_k_kl"
    tasks = ("classification", "next_token")
    title = "Top-k KL"
    what = "Forward KL when the teacher shows only its likeliest classes and the mass of the rest."
    formula = r"T^2 \sum_{k \in \text{top} \,\cup\, \{\text{tail}\}} p_T \log \frac{p_T}{q_T}"
    paper = "Hinton, Vinyals and Dean 2015, arXiv 1503.02531, on the teacher's k likeliest classes"
    needs = "top_k"

    k: int = Field(
        3,
        ge=1,
        le=64,
        description="How many of its likeliest classes the teacher shows.",
        json_schema_extra={"title": "Classes shown", "step": 1},
    )

    @property
    def access(self) -> Access:
        return Access("top_k", self.k)

    def rows(self) -> Callable[..., Rows]:
        from kdlab.distill.objectives import top_k_kl_rows

        return top_k_kl_rows

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import top_k_kl_loss

        top_p, top_ids = given.teacher
        return top_k_kl_loss(
            given.student_logits, top_p, top_ids, given.temperature, given.mask, self.t_squared
        )


class HardLabels(Objective):
    name: Literal["hard_labels"] = "hard_labels"
    title = "Teacher's answers"
    what = "Learn the one class that the teacher answers, with none of its doubts."
    formula = r"-\log q[\arg\max p]"
    paper = "the black-box case of Hinton, Vinyals and Dean 2015, arXiv 1503.02531"
    needs = "label"

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import label_smoothing_loss

        return label_smoothing_loss(given.student_logits, given.teacher, smoothing=0.0, mask=given.mask)


class LabelSmoothing(Objective):
    name: Literal["label_smoothing"] = "label_smoothing"
    title = "Label smoothing"
    what = "Soft targets without a teacher: a little of every class, alike for all examples."
    formula = r"-\sum_k \left[(1-\varepsilon)\,y_k + \tfrac{\varepsilon}{K}\right] \log q_k"
    paper = "Szegedy et al. 2016, arXiv 1512.00567"
    needs = "nothing"
    uses_labels = True

    smoothing: float = Field(
        0.1,
        ge=0,
        le=1,
        description="The share ε of the target that is spread evenly over all classes.",
        json_schema_extra={"title": "ε", "step": 0.01},
    )

    def loss(self, given: Given) -> Tensor:
        from kdlab.distill.objectives import label_smoothing_loss

        return label_smoothing_loss(given.student_logits, given.labels, self.smoothing, mask=given.mask)


def _all(base: type[Objective]) -> list[type[Objective]]:
    found = [base] if "name" in base.model_fields else []
    return found + [objective for child in base.__subclasses__() for objective in _all(child)]


ALL: dict[str, type[Objective]] = {cls.model_fields["name"].default: cls for cls in _all(Objective)}
OBJECTIVES = {name: cls for name, cls in ALL.items() if "classification" in cls.tasks}
"""What a classifier can be asked, by name; `TEXT_OBJECTIVES` what a language model can."""
TEXT_OBJECTIVES = {name: cls for name, cls in ALL.items() if "next_token" in cls.tasks}

# The type of a field that holds any of them: {"name": "dkd", "target_weight": 2.0} finds its class.
AnyObjective = Annotated[Union[tuple(ALL.values())], Field(discriminator="name")]  # noqa: UP007
