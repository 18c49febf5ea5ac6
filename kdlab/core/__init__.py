"""The maths that the pages show live, in numpy only.

What any page may need stands here by its name. Three subjects are modules of their own: `conventions` (the
libraries' losses), `mixture` (a student on a line) and `simplex` (the loss over a triangle).
"""

from kdlab.core.divergences import forward_kl, generalized_jsd, reverse_kl
from kdlab.core.hinton import (
    HintonTerms,
    LogitGradients,
    cross_entropy,
    forward_kl_from_logits,
    hinton_loss,
    logit_gradients,
)
from kdlab.core.intervals import Interval, mean_interval, paired_difference
from kdlab.core.probability import entropy, log_softmax, soften, softmax
from kdlab.core.similarity import class_similarity

__all__ = [
    "HintonTerms",
    "Interval",
    "LogitGradients",
    "class_similarity",
    "cross_entropy",
    "entropy",
    "forward_kl",
    "forward_kl_from_logits",
    "generalized_jsd",
    "hinton_loss",
    "log_softmax",
    "logit_gradients",
    "mean_interval",
    "paired_difference",
    "reverse_kl",
    "soften",
    "softmax",
]
