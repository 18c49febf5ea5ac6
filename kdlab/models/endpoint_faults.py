"""What an endpoint's refusal means: wait and ask again, or stop with a sentence."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, FiniteFloat, ValidationError

from kdlab.core.counted import counted
from kdlab.models.endpoint import Endpoint, EndpointError, HttpAnswer
from kdlab.models.multiple_choice import TOP_LOGPROBS, Reply

LONGEST_WAIT = 120.0  # seconds; an endpoint that asks for more is left alone
_TRIES = {"throttle": 8, "fault": 4}
_NEVER_HEALS = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_LONGEST_SAID, _LONGEST_TOKEN = 200, 60  # characters that are kept of an answer: a server may send any number
_KEPT = "What was answered is kept and is not paid for again."


def wait_before_next_try(answer: HttpAnswer, failed: int, now: float, host: str) -> float | None:
    """Seconds until the same request may be sent again, after it failed ``failed`` times; None where that is useless.

    Throttling (429) gets eight tries; time-outs, cut connections, 408, 409 and 5xx get four. The endpoint's
    Retry-After is a minimum; without one the wait doubles from a second to a minute, blurred so that many who were
    turned away together do not come back together. Raises EndpointError where the endpoint asks for more than two
    minutes.
    """
    throttled = answer.status == 429
    if not throttled and answer.status not in {0, 408, 409} and answer.status < 500:
        return None
    if throttled and any(word in answer.text for word in _NEVER_HEALS):
        return None
    if failed >= _TRIES["throttle" if throttled else "fault"]:
        return None
    told = retry_after(answer.headers, now)
    if told is not None and told > LONGEST_WAIT:
        raise EndpointError(f"{host} asks for a pause of {_duration(told)}. Go on after that. {_KEPT}")
    return max(told, 1.0) if told is not None else min(2.0 ** (failed - 1), 60.0) * random.uniform(0.75, 1.25)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """What the headers ask for, in seconds from now, at least 0: milliseconds, seconds or a date (RFC 9110, 10.2.3)."""
    given = {name.lower(): value for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(given[name]) * unit
            if math.isfinite(seconds):
                return max(seconds, 0.0)
        except (KeyError, ValueError):
            continue
    try:
        return max(parsedate_to_datetime(given["retry-after"]).timestamp() - now, 0.0)
    except (KeyError, ValueError, TypeError, OverflowError, OSError):
        return None


def error_for(answer: HttpAnswer, endpoint: Endpoint) -> EndpointError:
    """The last word on a request that got no answer."""
    host, status = endpoint.host, answer.status
    if status == 0:
        what = (
            "did not answer in time"
            if answer.text == "timeout"
            else "cannot be reached, or cut the connection"
        )
        return EndpointError(f"{host} {what}, several times. See that it is up, then go on. {_KEPT}")
    if status == 402 or any(word in answer.text for word in _NEVER_HEALS):
        return EndpointError(
            f"The account at {host} has no credit left, which waiting does not change. Add credit there, or take "
            f"another endpoint, then go on. {_KEPT}"
        )
    if status == 429:
        return EndpointError(
            f"{host} still turns requests away after many waits. Ask fewer at once, or go on later. {_KEPT}"
        )
    if status >= 500:
        return EndpointError(f"{host} is in trouble (HTTP {status}), several times. Go on later. {_KEPT}")
    if status in {401, 403}:
        # Without its own words: they often repeat a part of the key.
        return EndpointError(
            f"{host} does not accept the key for this (HTTP {status}). Type it again, and see at the provider that it "
            f"may use the model {endpoint.model}."
        )
    if 300 <= status < 400:
        return EndpointError(
            f"{host} sends on to another address, which the lab does not follow with a key in hand. Type the address "
            "where the endpoint is now; most begin with https and end in /v1."
        )
    if status == 404 or _is_about("model", answer):
        return EndpointError(
            f"{host} knows no model {endpoint.model}, or has no chat completions under this address. See the "
            f"provider's list of models; most addresses end in /v1.{_words(answer)}"
        )
    if status in {400, 413, 422}:
        return EndpointError(
            f"{host} does not take this request (HTTP {status}). See that the model is one for chat, and that texts "
            f"are short enough for it.{_words(answer)}"
        )
    return _nonsense(answer, endpoint)


class _Token(BaseModel):
    token: str
    logprob: FiniteFloat


class _Position(_Token):
    top_logprobs: list[_Token] | None = None


class _Logprobs(BaseModel):
    content: list[_Position]


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    logprobs: Any = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    model: str | None = None
    choices: list[_Choice]
    usage: _Usage | None = None


def reply_in(answer: HttpAnswer, endpoint: Endpoint) -> Reply:
    """What stands in a chat completion (HTTP 200). Raises EndpointError where it is none.

    Read here and not by the client, which lets through whatever a server makes of the format. Log-probabilities that
    are none, or belong to more than a certainty, are as good as not sent.
    """
    try:
        read = _Completion.model_validate_json(answer.text)
        choice = read.choices[0]
    except (ValidationError, IndexError):
        raise _nonsense(answer, endpoint) from None
    token, top = _first_token(choice.logprobs)
    usage = read.usage or _Usage()
    return Reply(
        content=(choice.message.content or "")[:_LONGEST_SAID],
        token=token,
        top=top,
        model=(read.model or "")[:_LONGEST_SAID],
        prompt_tokens=usage.prompt_tokens or 0,
        answer_tokens=usage.completion_tokens or 0,
    )


def _first_token(logprobs: object) -> tuple[tuple[str, float] | None, tuple[tuple[str, float], ...] | None]:
    try:
        first = _Logprobs.model_validate(logprobs).content[0]
    except (ValidationError, IndexError):
        return None, None
    top = tuple((shown.token[:_LONGEST_TOKEN], shown.logprob) for shown in (first.top_logprobs or ())[:TOP_LOGPROBS])
    if sum(math.exp(min(value, 0.0)) for _, value in top) > 1.02:
        return None, None
    return (first.token[:_LONGEST_TOKEN], first.logprob), top or None


def _nonsense(answer: HttpAnswer, endpoint: Endpoint) -> EndpointError:
    page = answer.text.lstrip()[:15].lower().startswith(("<!doctype", "<html"))
    return EndpointError(
        f"{endpoint.host} answers with {'a web page' if page else 'something else'} where a chat completion was asked. "
        f"Check the address: most end in /v1. Behind a login page, log in first.{_words(answer)}"
    )


def _is_about(word: str, answer: HttpAnswer) -> bool:
    """Whether the refusal is said to be for this parameter, or for an unknown value of it."""
    error = _error(answer)
    return error.get("param") == word or f"{word}_not_found" in str(error.get("code"))


def _words(answer: HttpAnswer) -> str:
    """The endpoint's own message, in part; empty where it gave none."""
    message = _error(answer).get("message")
    said = " ".join(message.split()) if isinstance(message, str) else ""
    return f" It says: {said[:200]}" if said else ""


def _error(answer: HttpAnswer) -> dict[str, object]:
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        return {}
    error = found.get("error", found) if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return counted(math.ceil(seconds / 60), "minutes")
    return counted(math.ceil(seconds / 3600), "hours") if seconds < 172_800 else "more than two days"
