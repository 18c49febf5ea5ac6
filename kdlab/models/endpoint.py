"""An OpenAI-compatible endpoint: which addresses the lab asks, and one request to one of them.

The lab's owner decides: ``KDLAB_API=off`` turns endpoints off, ``KDLAB_API_HOSTS`` lists the hosts that may be asked
(apart by spaces), ``KDLAB_API_PRIVATE=yes`` lets the lab ask machines of its own network.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM, gaierror, getaddrinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from openai import OpenAI

_TRANSLATED_IPV4 = IPv6Network("64:ff9b::/96")  # RFC 6052
_UNICAST = IPv6Network("2000::/3")  # RFC 4291; all else is local, multicast or unassigned


class EndpointError(Exception):
    """A teacher behind an API that cannot be asked; the message says why, and what to do next, for a learner."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked, and with which key; no form of it shows the key.

    ``base_url`` ends where ``/chat/completions`` follows, as in ``https://api.openai.com/v1``. Raises EndpointError
    for an address that the lab does not ask; names are resolved only when the endpoint is asked.
    """

    base_url: str
    model: str
    key: SecretStr = field(default=SecretStr(""), repr=False)

    def __post_init__(self) -> None:
        # Typed fields bring spaces along, and the documentation of servers names the whole path.
        url = self.base_url.strip().rstrip("/").removesuffix("/chat/completions").rstrip("/")
        key = self.key.get_secret_value()
        object.__setattr__(self, "base_url", url)
        object.__setattr__(self, "model", self.model.strip())
        object.__setattr__(self, "key", SecretStr(key.strip()))
        if not self.model:
            raise EndpointError("No model is named. Type the model's name as its provider writes it.")
        if not all("!" <= character <= "~" for character in key.strip()):
            raise EndpointError(
                "The key holds a space or a character that no key has. Copy it again, without what stands around it."
            )
        check_host(_host(url))
        object.__setattr__(self, "base_url", _one_spelling(url))

    @classmethod
    def from_environment(cls) -> Endpoint | None:
        """The owner's: ``KDLAB_API_URL``, ``KDLAB_API_MODEL`` and ``KDLAB_API_KEY``; None where no address is set.

        The three go together: the owner's key is never sent to an address that a visitor typed.
        """
        url = os.environ.get("KDLAB_API_URL", "")
        model, key = os.environ.get("KDLAB_API_MODEL", ""), os.environ.get("KDLAB_API_KEY", "")
        return cls(url, model, SecretStr(key)) if url else None

    @property
    def host(self) -> str:
        return _host(self.base_url)


@dataclass(frozen=True)
class HttpAnswer:
    """What came back from one request. ``status`` 0: nothing whole came, and ``text`` is "timeout" or "connection".

    ``may_be_charged``: it was sent and the server may have worked on it, as far as can be told from here.
    """

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: bool = True

    @property
    def may_be_charged(self) -> bool:
        # 504: a gateway that has passed the request on gave up on what answers it.
        return self.sent and self.status in {0, 200, 504}


def allowed_hosts() -> list[str]:
    """The only hosts that the lab's owner lets it ask; empty where all may be. Raises EndpointError where none may."""
    if os.environ.get("KDLAB_API", "").strip().lower() in {"off", "no", "0", "false"}:
        raise EndpointError(
            "Teachers behind an API are turned off in this lab. Its owner can turn them on: KDLAB_API is set to off."
        )
    return os.environ.get("KDLAB_API_HOSTS", "").lower().split()


def check_host(host: str) -> None:
    """Raises EndpointError where the lab's owner does not let this host be asked."""
    allowed = allowed_hosts()
    if allowed and host.lower().rstrip(".") not in allowed:
        raise EndpointError(
            f"This lab may not ask {host}. Its owner lets it ask: {', '.join(allowed)} (KDLAB_API_HOSTS)."
        )


def allowed_addresses(host: str, port: int) -> list[str]:
    """The host's IP addresses. Raises EndpointError where it has none, or one that the lab may not ask."""
    check_host(host)
    try:
        found = getaddrinfo(host, port, type=SOCK_STREAM)
    except (gaierror, UnicodeError, OSError):
        raise EndpointError(
            f"No machine called {host} is found. Check the address for a slip, and that the lab is on the network."
        ) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    private = os.environ.get("KDLAB_API_PRIVATE", "").strip().lower() in {"yes", "1", "true", "on"}
    if not private and not all(map(_is_public, addresses)):
        raise EndpointError(
            f"{host} is a machine of the lab's own network, which visitors may not reach through the lab. Its owner "
            "can allow that with KDLAB_API_PRIVATE=yes."
        )
    return addresses


def connect(endpoint: Endpoint, timeout: float) -> OpenAI:
    """A client for this endpoint alone. It repeats nothing and follows no redirect; the key is put in on the way."""
    import openai

    from kdlab.models.endpoint_transport import client

    http = client(endpoint.key, timeout)
    return openai.OpenAI(
        api_key="none", base_url=endpoint.base_url, max_retries=0, timeout=timeout, http_client=http
    )


def complete(client: OpenAI, endpoint: Endpoint, prompt: str, parameters: Mapping[str, Any]) -> HttpAnswer:
    """Sends one prompt and returns what came, whatever it is, with the key blotted out where a server repeats it.

    Raises EndpointError where the address may not be asked.
    """
    import openai
    from httpx2 import ConnectError, ConnectTimeout, PoolTimeout

    try:
        raw = client.chat.completions.with_raw_response.create(
            model=endpoint.model, messages=[{"role": "user", "content": prompt}], **parameters
        )
        response = raw.http_response
    except openai.APIConnectionError as error:
        never_sent = isinstance(error.__cause__, ConnectError | ConnectTimeout | PoolTimeout)
        what = "timeout" if isinstance(error, openai.APITimeoutError) else "connection"
        return HttpAnswer(0, what, sent=not never_sent)
    except openai.APIStatusError as error:
        response = error.response
    return HttpAnswer(response.status_code, _without(endpoint.key, response.text), dict(response.headers))


def _without(key: SecretStr, text: str) -> str:
    """The text with the key blotted out, in whichever way JSON writes it; under 8 characters it is no secret."""
    secret = key.get_secret_value()
    if len(secret) < 8:
        return text
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), ensure_ascii=False).replace(json.dumps(secret)[1:-1], "(the key)")
    return text.replace(secret, "(the key)")


def _host(url: str) -> str:
    """The host of a base URL. Raises EndpointError where the URL is none, or carries what may be a secret."""
    example = "Write it like https://api.openai.com/v1."
    # A host of other scripts, or with signs that are not seen, can look like one that the visitor trusts with a key.
    if not all("!" <= character <= "~" for character in url):
        raise EndpointError(
            "The address holds a space, a sign that is not seen, or a letter of another script, which may look like a "
            f"plain one. Type it anew in plain letters; a name of another script has a form that begins with xn--. {example}"
        )
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise EndpointError(f"The address is not whole. {example}") from None
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise EndpointError(f"The address is none of http or https. {example}")
    if "@" in parts.netloc or "?" in url or "#" in url or "\\" in url:
        raise EndpointError(
            f"The address carries more than host and path. A key has a field of its own. {example}"
        )
    return host


def _one_spelling(url: str) -> str:
    """Of the ways to write an address that is whole, the one that its answers are kept under."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else (parts.hostname or "").rstrip(".")
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    return f"{parts.scheme}://{host}{port}{re.sub('/+', '/', parts.path)}"


def _is_public(address: str) -> bool:
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _TRANSLATED_IPV4:
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
        elif ip not in _UNICAST:
            return False
    return ip.is_global and not ip.is_multicast
