"""A teacher behind an API: it is sent texts and answers with a class, and where its endpoint lets it, with numbers.

Every answer is on disk before it counts, so that no text is paid for twice, also after a crash.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from kdlab.models.api_allowance import Allowance
from kdlab.models.api_answers import KeptAnswers, kept_answers
from kdlab.models.api_cost import Estimate, Price, estimated_tokens
from kdlab.models.api_probe import LABEL_ONLY, PROBE_TEXT, WITH_PROBABILITIES, Probed, Rungs, probe
from kdlab.models.api_queries import Halt, Parameters, Queries
from kdlab.models.endpoint import Endpoint, EndpointError, HttpAnswer
from kdlab.models.endpoint_faults import error_for, reply_in
from kdlab.models.multiple_choice import MultipleChoice, Reading, Reply, text_sha256

_REFUSALS = 3  # in a row; fewer are about the texts


@dataclass(frozen=True, eq=False)
class Answer(Reading):
    """The teacher's answer to the text at ``position``; ``kept``: it was on disk, so nothing was sent for it."""

    position: int = 0
    kept: bool = False


@dataclass(frozen=True)
class Progress:
    """How far the asking is. ``queries`` counts what may have been charged since the teacher was made, the probe and
    time-outs too; tokens are as the endpoint counts them; ``waits``: seconds until the next query, where the endpoint has
    asked for a pause; ``note`` says why texts are left, if they are."""

    texts: int = 0
    answered: int = 0
    kept: int = 0
    queries: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cost: float | None = None
    waits: float = 0.0
    note: str = ""


class ApiTeacher:
    """Asks an endpoint for the classes of texts: `estimate`, then `probe`, then `ask`.

    ``folder`` keeps the answers, which cost money: not among what the lab may throw away. ``budget`` is the most
    queries that this teacher sends, ``allowance`` what all who share its owner's endpoint may send. ``probed``: an earlier
    teacher's; of another endpoint, model or question it counts for nothing. Any thread may read `progress`, and call
    `pause` (nothing further is sent until `go_on`) and `stop` (`ask` ends when what is on its way has come); `ask` is used
    by one at a time. ``now`` (seconds since the epoch) and ``sleep`` are the clock.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        classes: Sequence[str],
        folder: Path,
        *,
        budget: int,
        allowance: Allowance | None = None,
        concurrency: int = 4,
        price: Price | None = None,
        probed: Probed | None = None,
        timeout: float = 30.0,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.endpoint, self.price, self.concurrency = endpoint, price, concurrency
        self.question = MultipleChoice(tuple(classes))
        self._queries = Queries(endpoint, budget, timeout, now, sleep, allowance)
        self.pause, self.go_on, self.stop = self._queries.pause, self._queries.go_on, self._queries.stop
        self._lock = threading.Lock()
        self._progress = Progress()
        self._about = endpoint.base_url, endpoint.model, self.question.sha256
        usable = probed if probed and probed.about == self._about else None
        self._parameters = usable and usable.parameters
        self._rungs = usable and usable.rungs
        self._refused_in_a_row: list[str] = []  # SHA-256 of each text
        self._took_one = False  # in this asking
        about = dict(zip(("endpoint", "model", "prompt"), self._about, strict=True))
        self._kept = {
            p.temperature: kept_answers(folder, **about, **p.about()) for p in (WITH_PROBABILITIES, *LABEL_ONLY)
        }

    @property
    def probed(self) -> Probed | None:
        """What a probe found out, if there was one."""
        if self._parameters is None or self._rungs is None:
            return None
        return Probed(self._about, self._parameters, self._rungs)

    def forget_probe(self) -> None:
        """Asks the endpoint anew what it shows, when it is next asked."""
        self._parameters = self._rungs = None

    @property
    def budget(self) -> int:
        """The most queries that are sent."""
        return self._queries.budget

    @property
    def progress(self) -> Progress:
        """How far it is, at this moment."""
        with self._lock:
            now = self._progress
        cost = self._cost(now.prompt_tokens, now.answer_tokens)
        return replace(now, queries=self._queries.charged, cost=cost, waits=self._queries.waits)

    def estimate(self, texts: Iterable[str]) -> Estimate:
        """What asking for these texts takes, from the prompts alone: nothing is sent."""
        self._read_kept()
        asked = list(dict.fromkeys(texts))
        left = [text for text in asked if self._find(text) is None]
        sent = ([PROBE_TEXT] if left and not self._rungs else []) + left
        around = self.question.prompt("")  # as long about every text, whatever the order of the classes
        prompt_tokens = sum(estimated_tokens(around, text) for text in sent)
        answer_tokens = len(sent) * (self._parameters or LABEL_ONLY[0]).answer_tokens
        cost = self._cost(prompt_tokens, answer_tokens)
        return Estimate(len(asked), len(asked) - len(left), len(sent), prompt_tokens, answer_tokens, cost)

    def probe(self) -> Rungs:
        """Which rungs are open, by asking once; once or twice more where the endpoint does not take all that is asked.

        Raises EndpointError where it cannot be asked.
        """
        self._queries.stopped.clear()
        try:
            return self._probe()
        except Halt as halt:
            raise EndpointError(str(halt)) from None

    def _probe(self) -> Rungs:
        if not self._rungs:
            self._parameters, self._rungs = probe(self._queries, self.question, self._count)
        return self._rungs

    def ask(self, texts: Sequence[str]) -> Iterator[Answer]:
        """The answers, as they come: those on disk first. The same text is asked once, wherever it stands.

        Probes first where anything is to be asked. Ends early where it is stopped or the budget is used up, which
        `progress.note` then says. A text that the endpoint refuses has an answer without label. That is kept once another
        text was taken: before, it may be the key that is refused, and the next one's is good.
        Raises EndpointError for any other fault, after the answers that were on their way.
        """
        self._queries.stopped.clear()
        places: dict[str, list[int]] = {}
        for position, text in enumerate(texts):
            places.setdefault(text, []).append(position)
        with self._lock:
            self._progress = replace(self._progress, texts=len(texts), answered=0, kept=0, note="")
            self._refused_in_a_row.clear()
            self._took_one = False
        return self._answers(places)

    def _answers(self, places: dict[str, list[int]]) -> Iterator[Answer]:
        try:
            self._read_kept()
            if any(self._find(text) is None for text in places):
                self._probe()
            waiting: deque[str] = deque()
            for text, positions in places.items():
                if reply := self._find(text):
                    yield from self._answered(text, positions, reply, kept=True)
                else:
                    waiting.append(text)
            yield from self._asked(waiting, places)
        except (EndpointError, Halt) as error:
            with self._lock:
                self._progress = replace(self._progress, note=str(error))
            if isinstance(error, EndpointError):
                raise

    def _asked(self, waiting: deque[str], places: dict[str, list[int]]) -> Iterator[Answer]:
        """Several at once. Raises what halted it, after all that was on its way: an error before a Halt."""
        running: dict[Future[tuple[Reply, bool] | None], str] = {}
        halts: list[Exception] = []
        with ThreadPoolExecutor(self.concurrency, "kdlab-api") as pool:
            try:
                while running or (waiting and not halts):
                    while waiting and not halts and len(running) < self.concurrency:
                        text = waiting.popleft()
                        running[pool.submit(self._ask_one, text)] = text
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        text = running.pop(future)
                        error = future.exception()
                        if isinstance(error, EndpointError):
                            halts.insert(0, error)
                            self._queries.stop()
                        elif isinstance(error, Halt):
                            halts.append(error)
                        elif found := future.result():
                            yield from self._answered(text, places[text], found[0], kept=found[1])
                        else:
                            waiting.append(text)
            except BaseException:
                self._queries.stop()  # nobody takes the answers any more
                raise
        if self._took_one and not (halts and isinstance(halts[0], EndpointError)):
            self._keep_refused()
        if halts:
            raise halts[0]

    def _answered(self, text: str, positions: list[int], reply: Reply, *, kept: bool) -> Iterator[Answer]:
        reading = self.question.read(text, reply)
        with self._lock:
            now, more = self._progress, len(positions)
            self._progress = replace(now, answered=now.answered + more, kept=now.kept + more * kept)
        for position in positions:
            yield Answer(**vars(reading), position=position, kept=kept)

    def _ask_one(self, text: str) -> tuple[Reply, bool] | None:
        """The reply, and whether it was on disk; None where somebody else is asking at this moment."""
        asked = self._parameters
        assert asked is not None, "probed before"
        kept, sha256 = self._kept[asked.temperature], text_sha256(text)
        prompt = self.question.prompt(text.encode(errors="replace").decode())
        for failed in itertools.count():
            self._queries.turn()
            with kept.claim(sha256) as mine:
                if mine and (reply := kept.get(sha256)):
                    return reply, True
                answer = self._queries.once(prompt, asked, failed) if mine else None
                if answer and answer.status != 200 and "logprob" in answer.text and (less := asked.without_refused(answer)):
                    answer = self._queries.send(prompt, less)
                    if answer.status == 200:
                        kept = self._ask_less(less)
                if answer and answer.status == 200:
                    reply = reply_in(answer, self.endpoint)
                    kept.add(sha256, reply)
                    self._count(reply)
                    self._took_one = True
                    self._keep_refused()
                    return reply, False
                if answer:
                    return self._refused(answer, sha256), False
            if not mine:
                self._queries.stopped.wait(0.05)
                return None
        raise AssertionError("counting does not end")

    def _ask_less(self, less: Parameters) -> KeptAnswers:
        """From now on without what the endpoint has begun to refuse: where its answers are kept."""
        with self._lock:
            self._parameters = less
            if self._rungs and self._rungs.top_k and not less.logprobs:
                note = f"{self._rungs.note} It sent probabilities at first, and then refused to."
                self._rungs = replace(self._rungs, top_k=0, captured_mass=0.0, note=note.strip())
        return self._kept[less.temperature]

    def _refused(self, answer: HttpAnswer, sha256: str) -> Reply:
        """No reply, for a text that the endpoint will not read; where it reads none any more, that is an error."""
        with self._lock:
            self._refused_in_a_row.append(sha256)
            if len(self._refused_in_a_row) >= _REFUSALS:
                self._refused_in_a_row.clear()
                raise error_for(answer, self.endpoint)
        return Reply("")

    def _keep_refused(self) -> None:
        """On disk as answers without a label, once it is known that it was the texts: they are not asked again."""
        with self._lock:
            refused, self._refused_in_a_row = self._refused_in_a_row, []
        for sha256 in refused:
            assert self._parameters is not None, "probed before"
            self._kept[self._parameters.temperature].add(sha256, Reply(""))

    def _read_kept(self) -> None:
        """Once for all texts: to look at a file for each of 50,000 takes minutes where files are slow."""
        for kept in self._kept.values():
            kept.read()

    def _find(self, text: str) -> Reply | None:
        """The answer on disk that shows what the endpoint shows; any, while it was not probed."""
        sha256, asked = text_sha256(text), self._parameters
        usable = [WITH_PROBABILITIES] if asked and asked.logprobs else [WITH_PROBABILITIES, *LABEL_ONLY]
        return next((reply for p in usable if (reply := self._kept[p.temperature].known(sha256))), None)

    def _count(self, reply: Reply) -> None:
        with self._lock:
            now = self._progress
            tokens = now.prompt_tokens + reply.prompt_tokens, now.answer_tokens + reply.answer_tokens
            self._progress = replace(now, prompt_tokens=tokens[0], answer_tokens=tokens[1])

    def _cost(self, prompt_tokens: int, answer_tokens: int) -> float | None:
        return None if self.price is None else self.price.of(prompt_tokens, answer_tokens)
