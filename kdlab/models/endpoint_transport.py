"""How a request to an endpoint leaves the machine; loads the HTTP library, so it is imported when one is asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

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
    key joins here, so that no request that an exception or a log holds has it.
    """

    def __init__(self, key: SecretStr, timeout: float) -> None:
        super().__init__()
        self._key, self._timeout = key, timeout

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        end = time.monotonic() + self._timeout
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        response = self._from_first_that_connects(request, allowed_addresses(request.url.host, port))
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise httpx2.DecodingError("an answer that is packed, which was not asked for")
        response.stream = _Bounded(response.stream, end)
        return response

    def _from_first_that_connects(self, request: httpx2.Request, addresses: list[str]) -> httpx2.Response:
        for address in addresses[:-1]:
            try:
                return super().handle_request(self._to(address, request))
            except httpx2.ConnectError:
                continue
        return super().handle_request(self._to(addresses[-1], request))

    def _to(self, address: str, request: httpx2.Request) -> httpx2.Request:
        headers = {name: request.headers[name] for name in _SENT if name in request.headers}
        headers |= {"accept-encoding": "identity", "user-agent": "kdlab"}
        if key := self._key.get_secret_value():
            headers["authorization"] = f"Bearer {key}"
        return httpx2.Request(
            request.method,
            request.url.copy_with(host=address.partition("%")[0]),
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )


class _Bounded(httpx2.SyncByteStream):
    """An answer of at most 1 MiB, whole by a time; a server that sends drop by drop is no slower than a silent one."""

    def __init__(self, stream: httpx2.SyncByteStream, end: float) -> None:
        self._stream, self._end = stream, end

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self._stream:
            size += len(part)
            if time.monotonic() > self._end:
                raise httpx2.ReadTimeout("the answer is not whole in time")
            if size > _MOST_BYTES:
                raise httpx2.ReadError("the answer does not end")
            yield part

    def close(self) -> None:
        self._stream.close()
