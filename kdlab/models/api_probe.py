"""What an endpoint shows of its answers, found out by asking it once: not what its documentation says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kdlab.models.api_queries import Parameters, Queries
from kdlab.models.endpoint_faults import error_for, reply_in
from kdlab.models.multiple_choice import MultipleChoice, Reply

PROBE_TEXT = "This is a short text."
WITH_PROBABILITIES = Parameters(logprobs=True, temperature=1.0)
LABEL_ONLY = (Parameters(logprobs=False, temperature=0.0), Parameters(logprobs=False, temperature=None))


@dataclass(frozen=True)
class Rungs:
    """What the endpoint's answer to the probe showed.

    ``label``: it names a class. ``top_k``: how many tokens come with probabilities, 0 for none; 1 opens "the label and
    its probability", more open "top-k and tail". ``captured_mass``: of the probe. ``answered_by``: the model that the
    endpoint says answered. ``note``: what a learner should know, in sentences; may be empty.
    """

    label: bool
    top_k: int
    captured_mass: float
    answered_by: str
    note: str


@dataclass(frozen=True)
class Probed:
    """What a probe found out, for another teacher of the same endpoint, model and question (``about``); it holds no key."""

    about: tuple[str, str, str]
    parameters: Parameters
    rungs: Rungs


def probe(queries: Queries, question: MultipleChoice, count: Callable[[Reply], None]) -> tuple[Parameters, Rungs]:
    """How it is best asked, and what it shows then. Once or twice more where it does not take all that is asked.

    count: hears each reply that came. Raises EndpointError and Halt.
    """
    parameters, note, reply = WITH_PROBABILITIES, "", None
    while reply is None:
        answer = queries.send(question.prompt(PROBE_TEXT), parameters)
        if answer.status == 200:
            reply = reply_in(answer, queries.endpoint)
            count(reply)
            if reply.token or not parameters.logprobs:
                break
            reply, note = None, "It sends no probabilities that can be used, although they were asked for. "
            parameters = replace(LABEL_ONLY[0], limit=parameters.limit)
            continue
        less = parameters.without_refused(answer)
        if less is None:
            raise error_for(answer, queries.endpoint)
        if parameters.logprobs and not less.logprobs:
            note = "It refuses to send probabilities. "
        parameters = less
    return parameters, _rungs_in(reply, queries.endpoint.model, question, note)


def _rungs_in(reply: Reply, model: str, question: MultipleChoice, note: str) -> Rungs:
    reading = question.read(PROBE_TEXT, reply)
    if reading.label is None:
        note += "It did not name one of the letters, so its answers may be of no use: take a model made for chat. "
    if reply.model and not _is_version_of(reply.model, model):
        note += f"It says that {reply.model} answered, where {model} was asked. "
    return Rungs(
        label=reading.label is not None,
        top_k=len(reply.top or ()) or int(reply.token is not None),
        captured_mass=reading.captured_mass,
        answered_by=reply.model,
        note=note.strip(),
    )


def _is_version_of(answered: str, asked: str) -> bool:
    """Whether names are likely of one model: providers add dates, and take away owners."""
    first, second = answered.rsplit("/", 1)[-1].lower(), asked.rsplit("/", 1)[-1].lower()
    return first.startswith(second) or second.startswith(first)
