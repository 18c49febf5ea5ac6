"""From losses and gradients of single items to one loss: blocks of rows, mask, mean, T².

An objective that knows its gradient in closed form makes value and gradient together, a block of rows at a time,
in a core's cache. Nothing the size of the logits is kept but that gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

# Items' losses (n,) and their gradient (n, K) in the softened logits z_s / T.
Rows = tuple[Tensor, Tensor]

# Numbers in a block: few enough for a core's cache; enough that a card is not kept waiting.
BLOCK = {"cpu": 2**18}
BLOCK_ON_A_CARD = 2**25


def mean_over_items(
    rows: Callable[..., Rows],
    student_logits: Tensor,
    teacher: tuple[Tensor, ...],
    temperature: float | Tensor,
    mask: Tensor | None,
    t_squared: bool,
) -> Tensor:
    """T²·(mean of the unmasked items' losses), 0 where all are masked; without T² if not `t_squared`.

    rows(z_s / T, *teacher, T) gets n rows of each in float32 or wider and gives `Rows`. student_logits (..., K);
    each of `teacher` (...) or (..., k); mask (...), where whatever a masked item holds, NaN or −100, counts for
    nothing. Beside its inputs it holds at most two tensors of the logits' size, three with a mask: the gradient,
    and in the backward pass its product with what comes from above.
    Raises ValueError for a temperature of 0 or less and a mask that does not fit.
    """
    if not isinstance(temperature, Tensor) and not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature is {temperature}; it must be above 0, as every logit is divided by it."
        )
    if mask is not None:
        one_per_item("mask", student_logits, mask)
    classes = student_logits.shape[-1]
    vector = student_logits.reshape(-1)
    with torch.no_grad():
        flat = vector.view(-1, classes)
        items = flat.shape[0]
        parts = [flat, *(part.reshape(items, *part.shape[student_logits.ndim - 1 :]) for part in teacher)]
        share: float | Tensor = 1 / max(items, 1)  # of an item in the mean; (n, 1) where there is a mask
        if mask is not None:
            counted = mask.reshape(items, 1).float()
            share, ignored = counted / counted.sum().clamp(min=1), counted == 0
        loss_share = share * temperature**2 if t_squared else share
        gradient_share = share * temperature if t_squared else share / temperature  # z_s is softened once

        def block(here: slice) -> Rows:
            z_s, *given = (_at_least_float32(part[here]) for part in parts)
            if mask is not None:
                # Zeros stand in: 0 · NaN is NaN, and −100 is no class.
                z_s, *given = (_without(ignored[here], part) for part in (z_s, *given))
            losses, gradient = rows(z_s / temperature, *given, temperature)
            if mask is None:
                return losses.sum() * loss_share, gradient * gradient_share
            return (losses * loss_share[here, 0]).sum(), gradient * gradient_share[here]

        size = max(1, BLOCK.get(flat.device.type, BLOCK_ON_A_CARD) // classes)
        if items <= size:
            loss, gradient = block(slice(None))
            gradient = gradient.to(flat.dtype)
        else:
            gradient, losses = torch.empty_like(flat), []
            for start in range(0, items, size):
                here = slice(start, start + size)
                part, gradient[here] = block(here)
                losses.append(part)
            loss = torch.stack(losses).sum()
    if not torch.is_grad_enabled():
        return loss
    if mask is not None:
        vector = _without(ignored, student_logits.reshape(items, classes)).view(-1)
    # A linear form in the logits has just this gradient; its value is taken away again.
    linear = torch.dot(vector, gradient.view(-1))
    return linear - linear.detach() + loss


def same_shape(student_logits: Tensor, teacher_logits: Tensor) -> None:
    """Raises ValueError where student and teacher do not score the same items over the same classes."""
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(
            f"student_logits has shape {tuple(student_logits.shape)} and teacher_logits "
            f"{tuple(teacher_logits.shape)}; both must score the same items over the same classes."
        )


def one_per_item(name: str, student_logits: Tensor, given: Tensor) -> None:
    """Raises ValueError where `given` has not one entry for each of the student's items."""
    if given.shape != student_logits.shape[:-1]:
        raise ValueError(
            f"{name} has shape {tuple(given.shape)}; it needs one entry for each item of student_logits "
            f"{tuple(student_logits.shape)}."
        )


def _without(ignored: Tensor, part: Tensor) -> Tensor:
    """(n, 1) and (n,) or (n, k): zeros in the ignored rows."""
    return part.masked_fill(ignored if part.ndim > 1 else ignored.squeeze(-1), 0)


def _at_least_float32(part: Tensor) -> Tensor:
    return part.float() if part.dtype in (torch.bfloat16, torch.float16) else part
