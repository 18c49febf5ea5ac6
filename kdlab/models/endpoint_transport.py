"""How a request to an endpoint leaves the machine; loads the HTTP library, so it is imported when one is asked."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import httpcore2
import httpx2
from pydantic import SecretStr

from kdlab.models.endpoint import allowed_addresses

_MOST_BYTES = 2**20  # an answer of one word with twenty log-probabilities has about 2,000
_SENT = ("host", "accept", "content-type", "content-length", "connection")
# They print an answer's headers and its status line, in which a server may repeat the key.
for _name in ("httpx2", "httpcore2.http11"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def client(key: SecretStr, timeout: float) -> httpx2.Client:
    """An HTTP client for one endpoint: no redirects, no proxy and no password file of the environment."""
    return httpx2.Client(
        transport=_Transport(key, timeout), timeout=timeout, follow_redirects=False, trust_env=False
    )


class _Transport(httpx2.HTTPTransport):
    """Connects to the very address that was checked: a name may resolve to another one a moment later.

    Only what the endpoint needs is sent, so neither the owner's other settings nor a description of this machine; the
    key joins here, so that no request that an exception or a log holds has it. All addresses, the headers and the
    answer together have one time-out: each wait on the network gets what is left of it.
    """

    def __init__(self, key: SecretStr, timeout: float) -> None:
        super().__init__()
        self._key, self._timeout = key, timeout
        self._pool = httpcore2.ConnectionPool(
            httpx2.create_ssl_context(), max_connections=None, keepalive_expiry=5.0, network_backend=_InTime()
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        _end.set(time.monotonic() + self._timeout)
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        response = self._from_first_that_connects(request, allowed_addresses(request.url.host, port))
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise httpx2.DecodingError("an answer that is packed, which was not asked for")
        response.stream = _Bounded(response.stream)
        return response

    def _from_first_that_connects(self, request: httpx2.Request, addresses: list[str]) -> httpx2.Response:
        for tried, address in enumerate(addresses[:-1]):
            try:
                return super().handle_request(self._to(address, request, len(addresses) - tried))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return super().handle_request(self._to(addresses[-1], request, 1))

    def _to(self, address: str, request: httpx2.Request, addresses_left: int) -> httpx2.Request:
        headers = {name: request.headers[name] for name in _SENT if name in request.headers}
        headers |= {"accept-encoding": "identity", "user-agent": "kdlab"}
        if key := self._key.get_secret_value():
            headers["authorization"] = f"Bearer {key}"
        # An address that swallows what is sent to it leaves the others their share of the time.
        share = max(_end.get() - time.monotonic(), 0) / addresses_left
        timeout = {"connect": share, "read": self._timeout, "write": self._timeout, "pool": self._timeout}
        return httpx2.Request(
            request.method,
            request.url.copy_with(host=address.partition("%")[0]),
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host, "timeout": timeout},
        )


_end: ContextVar[float] = ContextVar("_end")
"""When the request that this thread has sent must be answered, by `time.monotonic`."""


def _left(timeout: float | None, late: type[Exception]) -> float:
    """Seconds for one wait: no more than are left for the whole request. Raises late where none are."""
    left = _end.get() - time.monotonic()
    if left <= 0:
        raise late("the time for the whole request is over")
    return left if timeout is None else min(timeout, left)


class _InTime(httpcore2.SyncBackend):
    """Connections of which each wait ends when the request's time does: a server that sends drop by drop, be it
    headers, is no slower than a silent one."""

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *how: Any, **more: Any
    ) -> httpcore2.NetworkStream:
        timeout = _left(timeout, httpcore2.ConnectTimeout)
        return _InTimeStream(super().connect_tcp(host, port, timeout, *how, **more))


class _InTimeStream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore2.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        timeout = _left(timeout, httpcore2.ConnectTimeout)
        return _InTimeStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Bounded(httpx2.SyncByteStream):
    """An answer of at most 1 MiB."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self._stream:
            size += len(part)
            if size > _MOST_BYTES:
                raise httpx2.ReadError("the answer does not end")
            yield part

    def close(self) -> None:
        self._stream.close()
