"""The claims about language models as questions: what the run on show says to each, and what was published."""

from __future__ import annotations

import numpy as np
import streamlit as st

from kdlab.core.intervals import paired_difference
from kdlab.lessons.text_claims import TEXT_CLAIMS, TextClaim
from kdlab.runs.comparison import Comparison, compare, in_words
from kdlab.runs.recorded import is_recorded
from kdlab.runs.store import Run
from kdlab.runs.text_recipes import TEXT_ONLY
from kdlab.runs.text_spec import TextSpec
from kdlab.ui.look.numbers import share
from kdlab.ui.run.titles import why_no_end
from kdlab.ui.run.verdict_words import left_out

_CALLED = {"race": "Race", "economy": "What must be stored?", "prefixes": "Whose prefix, which KL?"}
EXPERIMENTS = {recipe: title for recipe, title in _CALLED.items() if is_recorded(recipe)}
"""What each experiment is called on the page, by its recipe: those of which there is a recorded run to show at first."""


def show_text_claims(run: Run) -> None:
    """Draws the questions; those of another experiment say which one answers them."""
    st.header("Verdicts", anchor=False)
    for claim in (one for one in TEXT_CLAIMS if one.recipe in EXPERIMENTS):
        with st.container(border=True, key=f"text-claim-{claim.key}"):
            st.markdown(f"**{claim.question}**")
            st.markdown(answer(claim, run))
            if claim.published:
                st.caption(f"Published, on other models and tasks: {claim.published}")


def answer(claim: TextClaim, run: Run) -> str:
    """What a run says to a claim, in a sentence or two. Markdown."""
    if not isinstance(run.spec, TextSpec) or run.spec.recipe.name != claim.recipe:
        return f"Another experiment answers it: **{EXPERIMENTS[claim.recipe]}**."
    if run.result is None:
        return f"This run {why_no_end(run)}: it answers nothing."
    found = compare(run.spec, run.result)
    keys = {one.contrast.key for one in found.found}
    match claim.key:
        case "soft" if "total" in keys:
            return _told(run, found, "total", "**Yes, here:** for a byte of held-out text their students need fewer bits:", "**No difference shown** between soft targets and text alone:")
        case "one" if "softness" in keys:
            return _told(run, found, "softness", "**Not quite, here:** with soft targets in place of one token a position students need fewer bits for a byte:", "**Not told apart:** soft targets against one token a position:")
        case "modes" if "reverse" in keys:
            return _told(run, found, "reverse", "**It keeps fewer words open, here:** the entropy of the next token under reverse against forward KL, on own text:", "**Not shown:** the entropy of the next token under reverse against forward KL:")
        case "own" if "own_text" in keys:
            return _own(run, found)
        case "rare":
            return _rare(run)
    return "This run does not hold that comparison."


def _told(run: Run, found: Comparison, key: str, less: str, open_: str) -> str:
    """A contrast of which less is what the claim says."""
    one = next(one for one in found.found if one.contrast.key == key)
    words, difference = in_words(one.difference, one.contrast.metric), one.difference
    if difference.n < 2 or difference.contains_zero:
        said = f"{open_} {words}."
    elif difference.mean < 0:
        said = f"{less} {words}."
    else:
        said = f"**The other way round, here:** {one.contrast.words}: {words}."
    return f"{said}{left_out(run)}"


def _own(run: Run, found: Comparison) -> str:
    own = _told(
        run,
        found,
        "own_text",
        "**Yes, here:** KL to the teacher on what the student writes, learned from its own text against the teacher's:",
        "**No difference shown** on what the student writes:",
    )
    if not any(one.contrast.key == "held_out" for one in found.found):
        return own
    held = next(one for one in found.found if one.contrast.key == "held_out")
    return f"{own} On held-out text: {in_words(held.difference, held.contrast.metric)}."


def _rare(run: Run) -> str:
    """How often students and teacher find the right token likeliest, where the training text has it often and seldom."""
    assert run.result is not None
    arms = {arm["key"]: np.array(arm.get("by_frequency") or [], dtype=float) for arm in run.result["arms"]}
    bands, teacher = run.result.get("frequency_bins", []), run.result["teacher"].get("by_frequency", [])
    key = "one_token" if "one_token" in arms else next((arm.key for arm in run.spec.arms if arm.objective), TEXT_ONLY.key)
    told = [place for place, theirs in enumerate(teacher) if theirs is not None]
    if not told or arms.get(key) is None or arms[key].ndim != 2:
        return "This run did not look at tokens by how often the text has them."
    said = []
    for place in told:
        low, high = bands[place]
        often = f"{low:,} times or more" if high >= 10**9 else f"{low:,} to {high:,} times"
        own = {name: share(float(np.nanmean(values[:, place]))) for name, values in arms.items() if name in (key, "soft_targets", TEXT_ONLY.key)}
        of = ", ".join(f"{run.spec.arm(name).in_a_sentence} {value}" for name, value in own.items())
        said.append(f"{often}: {of}, the teacher {share(teacher[place])}")
    verdict = _rare_verdict(arms, key)
    return f"{verdict} How often the likeliest token is the right one, where the training text has that token " + "; ".join(said) + "."


def _rare_verdict(arms: dict[str, np.ndarray], key: str) -> str:
    """Of the rarest tokens: the black box, one token a position, against soft targets."""
    if "soft_targets" not in arms or key == "soft_targets" or len(arms[key]) < 2:
        return ""
    rarest = [values[:, 0] for values in (arms[key], arms["soft_targets"])]
    if not np.isfinite(rarest).all():
        return ""
    if not np.any(rarest):
        return "The rarest tokens are found neither by students of one token a position nor by those of soft targets."
    difference = paired_difference(*rarest)
    return f"On the rarest tokens, one token a position against soft targets: {in_words(difference)}."
