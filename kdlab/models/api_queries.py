"""Queries to one endpoint: within a budget, past pauses and throttling, each tried as often as makes sense."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kdlab.core.counted import counted
from kdlab.models.api_allowance import Allowance
from kdlab.models.endpoint import Endpoint, HttpAnswer, complete, connect
from kdlab.models.endpoint_faults import error_for, wait_before_next_try
from kdlab.models.multiple_choice import TOP_LOGPROBS

if TYPE_CHECKING:
    from openai import OpenAI

REFUSED = frozenset({400, 403, 413, 422})  # of this very request: another one may be taken


class Halt(Exception):
    """No further query is sent, by the visitor's will: stopped, or the budget is used up; the message says which."""


@dataclass(frozen=True)
class Parameters:
    """How a text is asked. Log-probabilities are asked at temperature 1, where all servers mean the same by them."""

    logprobs: bool
    temperature: float | None
    limit: str = "max_tokens"

    @property
    def answer_tokens(self) -> int:
        """One has all the probabilities; without them a few, for models that begin with a star or a line break."""
        return 1 if self.logprobs else 4

    def about(self) -> dict[str, str | float | None]:
        """What of them shapes an answer, as it is kept with it."""
        return {"top_logprobs": TOP_LOGPROBS if self.logprobs else None, "temperature": self.temperature}

    def request(self) -> dict[str, Any]:
        """What is sent with the prompt."""
        asked: dict[str, Any] = {self.limit: self.answer_tokens}
        if self.temperature is not None:
            asked["temperature"] = self.temperature
        return asked | ({"logprobs": True, "top_logprobs": TOP_LOGPROBS} if self.logprobs else {})

    def without_refused(self, answer: HttpAnswer) -> Parameters | None:
        """What to ask instead, where a refusal may be of a parameter; None where it is not. Never asks for more."""
        if "max_completion_tokens" in answer.text and self.limit == "max_tokens":
            return replace(self, limit="max_completion_tokens")
        if self.logprobs and (answer.status in {400, 422} or "logprob" in answer.text):
            return replace(self, logprobs=False, temperature=0.0)
        if not self.logprobs and self.temperature is not None and "temperature" in answer.text:
            return replace(self, temperature=None)
        return None


class Queries:
    """What is sent to one endpoint, by several threads. ``budget``: the most that may be charged. ``allowance``: what all
    who ask it may send together, where its owner has set a limit.

    ``now`` (seconds since the epoch) and ``sleep`` are the clock; without ``sleep``, a stop ends each wait.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        budget: int,
        timeout: float = 30.0,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], object] | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        self.endpoint, self.budget, self._allowance = endpoint, budget, allowance
        self.charged = 0
        self.stopped = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._timeout, self._now, self._sleep = timeout, now, sleep or self.stopped.wait
        self._lock = threading.Lock()
        self._alone_until = 0.0

    @cached_property
    def _client(self) -> OpenAI:
        return connect(self.endpoint, self._timeout)

    @property
    def waits(self) -> float:
        """Seconds until the next query, where the endpoint has asked for a pause."""
        return max(self._alone_until - self._now(), 0.0)

    def pause(self) -> None:
        self._going.clear()

    def go_on(self) -> None:
        self._going.set()

    def stop(self) -> None:
        self.stopped.set()
        self._going.set()

    def turn(self) -> None:
        """Waits until no pause is on, neither the visitor's nor one that the endpoint asks for. Raises Halt."""
        while True:
            self._going.wait()
            if self.stopped.is_set():
                raise Halt("Stopped. What was answered is kept.")
            if not (seconds := self.waits):
                return
            self._sleep(seconds)

    def once(self, prompt: str, parameters: Parameters, failed: int) -> HttpAnswer | None:
        """An answer of status 200 or in REFUSED; None where the same may be tried again when its `turn` is.

        ``failed``: how often this was None before, for this prompt. Whatever the server may have worked on counts as
        charged, so a time-out does; what it turned away does not, nor what was never sent. Raises EndpointError, and
        Halt at the budget's end.
        """
        with self._lock:
            if self.charged >= self.budget:
                raise Halt(f"The budget of {counted(self.budget, 'queries')} is used up. Raise it to go on.")
            if self._allowance and not self._allowance.take():
                raise Halt(
                    f"The lab's own endpoint is asked {self._allowance.limit:,} times a day, by all visitors together, and that is "
                    "used up. What was answered is kept: go on tomorrow (UTC), or with an endpoint of your own."
                )
            self.charged += 1
        answer = None
        try:
            answer = complete(self._client, self.endpoint, prompt, parameters.request())
        finally:
            if answer is None or not answer.may_be_charged:
                with self._lock:
                    self.charged -= 1
                if self._allowance:
                    self._allowance.give_back()
        if answer.status == 200:
            return answer
        seconds = wait_before_next_try(answer, failed + 1, self._now(), self.endpoint.host)
        if seconds is not None:
            with self._lock:
                self._alone_until = max(self._alone_until, self._now() + seconds)
            return None
        if answer.status in REFUSED:
            return answer
        raise error_for(answer, self.endpoint)

    def send(self, prompt: str, parameters: Parameters) -> HttpAnswer:
        """An answer of status 200 or in REFUSED, after as many tries as it takes. Raises EndpointError and Halt."""
        for failed in itertools.count():
            self.turn()
            if answer := self.once(prompt, parameters, failed):
                return answer
        raise AssertionError("counting does not end")
