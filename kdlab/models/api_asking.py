"""Endpoints that this server asks for its visitors: a thread each, one at a time a visitor, seen by all their pages."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from kdlab.models.api_probe import Probed
from kdlab.models.api_teacher import Answer, ApiTeacher, Progress
from kdlab.models.endpoint import EndpointError

LONGEST_PAUSE = 600.0  # seconds
_MOST = 64  # askings that are remembered; the oldest that ended go first


class Asking:
    """A probe, or one round of questions where there are texts; it goes on whether or not somebody looks.

    ``dataset`` and ``rows`` say which texts of which data set. The teacher, and with it the key, is let go when it ends.
    ``taught``: the lab's name of the teacher that its answers became, if they did.
    """

    def __init__(self, teacher: ApiTeacher, dataset: str, rows: Sequence[int], texts: Sequence[str]) -> None:
        self.model, self.host = teacher.endpoint.model, teacher.endpoint.host
        self.dataset, self.rows, self.texts = dataset, tuple(rows), tuple(texts)
        self.paused, self.fault, self.taught = False, "", ""
        self.probed: Probed | None = teacher.probed
        self._teacher: ApiTeacher | None = teacher
        self._stopping = False
        self._last = Progress()
        self._answers: dict[int, Answer] = {}
        self._lock = threading.Lock()
        self._rest = threading.Timer(LONGEST_PAUSE, self.stop)
        self._thread = threading.Thread(target=self._work, args=(teacher,), name="kdlab-asking", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def goes_on(self) -> bool:
        return self._teacher is not None

    @property
    def progress(self) -> Progress:
        """How far it is; after its end, how far it came."""
        teacher = self._teacher
        return self._last if teacher is None else teacher.progress

    @property
    def answers(self) -> dict[int, Answer]:
        """What came so far, by the place of its text among `texts`."""
        with self._lock:
            return dict(self._answers)

    def pause(self) -> None:
        """Nothing further is sent until `go_on`; a pause that lasts ends it, so that no key waits here for ever."""
        if teacher := self._teacher:
            self.paused = True
            teacher.pause()
            self._rest.cancel()  # perhaps another tab has paused it too
            self._rest = threading.Timer(LONGEST_PAUSE, self.stop)
            self._rest.daemon = True
            self._rest.start()

    def go_on(self) -> None:
        self._rest.cancel()
        if teacher := self._teacher:
            self.paused = False
            teacher.go_on()

    def stop(self) -> None:
        """It ends when what is on its way has come."""
        self._rest.cancel()
        self._stopping = True
        if teacher := self._teacher:
            self.paused = False
            teacher.stop()

    def wait(self, seconds: float | None = None) -> None:
        """Until it has ended, or for so long."""
        self._thread.join(seconds)

    def _work(self, teacher: ApiTeacher) -> None:
        try:
            if not self.texts:
                teacher.probe()
            for answer in teacher.ask(self.texts):
                with self._lock:
                    self._answers[answer.position] = answer
                if self._stopping:  # perhaps before there was anything to stop
                    teacher.stop()
        except EndpointError as error:
            self.fault = str(error)
        except Exception as error:  # noqa: BLE001 - whatever ends it must be told; its words may hold what was typed
            self.fault = (
                f"Something went wrong in the lab itself ({type(error).__name__}). What was answered is kept: ask again."
            )
        finally:
            self._last, self.probed = teacher.progress, teacher.probed
            self._teacher = None


_askings: dict[str, Asking] = {}
_beginning = threading.Lock()


def begin(visitor: str, asking: Asking) -> None:
    """Starts it in place of the visitor's last one. Raises EndpointError while that one goes on."""
    with _beginning:
        last = _askings.get(visitor)
        if last is not None and last.goes_on:
            raise EndpointError("An endpoint is being asked for you already, perhaps in another tab. Stop that first, or wait.")
        _askings.pop(visitor, None)
        ended = [one for one, known in _askings.items() if not known.goes_on]
        for one in ended[: max(len(_askings) + 1 - _MOST, 0)]:
            del _askings[one]
        _askings[visitor] = asking
        asking.start()


def asking_of(visitor: str) -> Asking | None:
    """The visitor's last asking in this server; None where there was none."""
    return _askings.get(visitor)


def stop_all() -> None:
    """Sends nothing further for anybody, and waits for what was paid for to be kept: for a server that ends."""
    for asking in list(_askings.values()):
        asking.stop()
    for asking in list(_askings.values()):
        asking.wait()
