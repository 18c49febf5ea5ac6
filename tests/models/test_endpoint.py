"""Which addresses are asked, what is sent to them, and where the key never appears."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from pydantic import SecretStr

from kdlab.models.api_teacher import ApiTeacher
from kdlab.models.endpoint import Endpoint, EndpointError
from tests.models import loopback_endpoint as server_side
from tests.models.loopback_endpoint import (
    CLASSES,
    KEY,
    TEXTS,
    Loopback,
    error,
    loopback,
    plain,
    says,
)


def test_the_key_reaches_the_endpoint_and_nothing_else_of_the_owners_does(
    server: Loopback, teacher: Callable[..., ApiTeacher], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-owner")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-owner")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-owner")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Owner: owner\nAuthorization: Bearer sk-owner")
    teacher().probe()
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert "owner" not in json.dumps(server.headers)


def test_without_a_key_none_is_sent(server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-owner")
    ApiTeacher(Endpoint(server.url, "model-1"), CLASSES, tmp_path, budget=9).probe()
    assert "authorization" not in server.headers[0]


def test_the_key_appears_nowhere(
    server: Loopback,
    teacher: Callable[..., ApiTeacher],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    caplog.set_level("DEBUG")
    spoken = [repr(Endpoint(server.url, "model-1", SecretStr(KEY)))]
    escaped = json.dumps({"error": {"message": f"your key {KEY} is bad"}}).replace("/", "\\/")
    faults = [error(status, f"your key {KEY} is bad", KEY) for status in (400, 401, 403, 404, 422, 429, 500)]
    faults += [plain(200, escaped), plain(200, f"<html>{KEY}"), plain(307, "", location=f"http://x/{KEY}")]
    faults += [plain(400, escaped), server_side.cut]
    for fault in faults:
        server.usually = fault
        with pytest.raises(EndpointError) as caught:
            teacher().probe()
        spoken += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
        error_or_none: BaseException | None = caught.value
        while error_or_none:
            spoken.append(repr(vars(error_or_none)))
            error_or_none = error_or_none.__context__
    server.usually = says(KEY, {KEY: 0.5, "A": 0.4})
    asking = teacher()
    spoken += [repr(asking), repr(vars(asking)), repr(asking.probe()), repr(list(asking.ask(TEXTS)))]
    spoken += [path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.is_file()]
    spoken += [str(path) for path in tmp_path.iterdir()]
    spoken += [caplog.text, repr([vars(record) for record in caplog.records]), *capfd.readouterr()]
    assert "kdlab" not in KEY
    assert [said for said in spoken if KEY in said or KEY.replace("/", "\\/") in said] == []
    assert len(server.received) > len(faults)


@pytest.mark.parametrize("key", ["sk two", "sk-\nx", "sk-é", "sk-\x00"])
def test_a_key_that_cannot_be_one_is_refused_without_being_repeated(key: str):
    with pytest.raises(EndpointError, match="Copy it again") as caught:
        Endpoint("https://api.example.com/v1", "m", SecretStr(key))
    assert key not in "".join(traceback.format_exception(caught.value))


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com/v1",
        "ftp://example.com",
        "file:///etc/passwd",
        "http://",
        "https://:443/v1",
        "http://[::1",
        "https://user:pw@example.com/v1",
        "https://example.com/v1?key=sk-1",
        "https://example.com/#x",
        "https://example.com:99999/v1",
        "https://example.com:0/v1",
        "https://example.com\\@127.0.0.1/v1",
    ],
)
def test_an_address_is_http_and_carries_nothing_else(url: str):
    with pytest.raises(EndpointError, match="address") as caught:
        Endpoint(url, "m")
    assert "sk-1" not in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    ["аpi.example.com", "api\u202emoc.example", "api\u200b.example.com", "api\u3164.example.com", "api.\nexample.com", "a b.com"],
    ids=["cyrillic", "bidi", "zero width", "filler", "line break", "space"],
)
def test_a_host_that_may_look_like_another_is_refused_without_being_repeated(host: str):
    with pytest.raises(EndpointError, match=r"address holds .*plain letters") as caught:
        Endpoint(f"https://{host}/v1", "m")
    assert str(caught.value).isascii()


def test_an_address_is_taken_as_documentation_prints_it():
    pasted = Endpoint(" https://api.example.com/v1/chat/completions/ ", " m ", SecretStr(" sk-1 "))
    assert (pasted.base_url, pasted.model, pasted.host) == (
        "https://api.example.com/v1",
        "m",
        "api.example.com",
    )
    assert pasted.key.get_secret_value() == "sk-1"


@pytest.mark.parametrize(
    "spelt",
    [
        "HTTPS://API.OpenAI.com/v1",
        "https://api.openai.com:443/v1/",
        "https://api.openai.com.//v1",
        "https://api.openai.com/v1//chat/completions",
    ],
)
def test_an_address_is_the_same_teacher_however_it_is_spelt(spelt: str):
    assert Endpoint(spelt, "m").base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "http://[::1]:8000/v1", "https://a.example/V1/Models"])
def test_what_tells_two_addresses_apart_stays(url: str):
    assert Endpoint(url, "m").base_url == url


def test_an_endpoint_has_a_model():
    with pytest.raises(EndpointError, match="No model"):
        Endpoint("https://api.example.com/v1", " ")


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.9",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
]
PRIVATE += ["224.0.0.1", "fe80::1%eth0", "fc00::1", "fec0::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
PRIVATE += ["2002:7f00:1::", "::127.0.0.1", "ff02::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_of_the_labs_own_network_is_refused(
    address: str, server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    resolves(monkeypatch, ["93.184.216.34", address])
    monkeypatch.delenv("KDLAB_API_PRIVATE")
    endpoint = Endpoint(f"http://teacher.example:{server.server_port}/v1", "m")
    with pytest.raises(EndpointError, match=r"lab's own network.*KDLAB_API_PRIVATE"):
        ApiTeacher(endpoint, CLASSES, tmp_path, budget=9).probe()
    assert server.received == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_this_machine_is_refused_however_it_is_written(
    host: str, server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv("KDLAB_API_PRIVATE")
    with pytest.raises(EndpointError, match=r"lab's own network|is found"):
        ApiTeacher(
            Endpoint(f"http://{host}:{server.server_port}/v1", "m"), CLASSES, tmp_path, budget=9
        ).probe()
    assert server.received == []


def resolves(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names resolve to these, one list a question and the last for ever; returns the names that were asked."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", (address, port)) for address in answers[min(len(asked), len(answers)) - 1]]

    monkeypatch.setattr("kdlab.models.endpoint.getaddrinfo", getaddrinfo)
    return asked


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Nothing but the check resolves the name, which therefore cannot turn into another address in between."""
    asked = resolves(monkeypatch, ["127.0.0.1"])
    endpoint = Endpoint(f"http://teacher.example:{server.server_port}/v1", "model-1")
    assert ApiTeacher(endpoint, CLASSES, tmp_path, budget=9).probe().label
    assert asked == ["teacher.example"]
    assert server.headers[0]["host"] == f"teacher.example:{server.server_port}"


def test_a_name_that_turns_private_is_refused_from_then_on(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    endpoint = Endpoint(f"http://teacher.example:{server.server_port}/v1", "model-1")
    resolves(monkeypatch, ["127.0.0.1"])
    asking = ApiTeacher(endpoint, CLASSES, tmp_path, budget=99)
    asking.probe()
    monkeypatch.delenv("KDLAB_API_PRIVATE")
    with pytest.raises(EndpointError, match="lab's own network"):
        list(asking.ask(TEXTS))
    assert len(server.received) == 1


def test_the_next_address_of_a_name_is_taken_where_the_first_does_not_connect(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    resolves(monkeypatch, ["127.0.0.2", "127.0.0.1"])  # this server listens at the second
    endpoint = Endpoint(f"http://teacher.example:{server.server_port}/v1", "model-1")
    assert ApiTeacher(endpoint, CLASSES, tmp_path, budget=9).probe().label


def test_an_address_that_swallows_what_is_sent_leaves_the_next_its_share_of_the_time(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    waits: list[float] = []
    connects = httpcore2.SyncBackend.connect_tcp

    def swallows(self: Any, host: str, port: int, timeout: float | None = None, *how: Any, **more: Any) -> Any:
        if host == "127.0.0.1":
            return connects(self, host, port, timeout, *how, **more)
        waits.append(timeout or 0)
        raise httpcore2.ConnectTimeout

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", swallows)
    resolves(monkeypatch, ["127.0.0.2", "127.0.0.3", "127.0.0.1"])
    endpoint = Endpoint(f"http://teacher.example:{server.server_port}/v1", "model-1")
    asking = ApiTeacher(endpoint, CLASSES, tmp_path, budget=9, timeout=60)
    assert asking.probe().label
    assert asking.progress.queries == 1
    assert (len(waits), waits[0] <= 20, waits[1] <= 30) == (2, True, True)


def test_a_name_that_nobody_has_is_an_error_in_words(tmp_path: Path):
    with pytest.raises(EndpointError, match=r"No machine called nobody\.invalid"):
        ApiTeacher(Endpoint("https://nobody.invalid/v1", "m"), CLASSES, tmp_path, budget=9).probe()


def test_the_owners_list_of_hosts_holds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDLAB_API_HOSTS", "api.example.com other.example.org")
    assert Endpoint("https://API.example.com./v1", "m")
    for url in (
        "https://example.com/v1",
        "https://api.example.com.evil.org/v1",
        "https://evil.org/api.example.com",
    ):
        with pytest.raises(EndpointError, match=r"may not ask .*other\.example\.org"):
            Endpoint(url, "m")


@pytest.mark.parametrize("word", ["off", "OFF", "no", "0"])
def test_the_owner_can_turn_endpoints_off(
    word: str, server: Loopback, teacher: Callable[..., ApiTeacher], monkeypatch: pytest.MonkeyPatch
):
    asking = teacher()
    monkeypatch.setenv("KDLAB_API", word)
    with pytest.raises(EndpointError, match="turned off"):
        Endpoint("https://api.example.com/v1", "m")
    with pytest.raises(EndpointError, match="turned off"):
        asking.probe()
    assert server.received == []


def test_no_proxy_of_the_environment_comes_between(
    server: Loopback, teacher: Callable[..., ApiTeacher], monkeypatch: pytest.MonkeyPatch
):
    with loopback() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert teacher().probe().label
        assert proxy.received == []


def test_the_owners_endpoint_comes_whole_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KDLAB_API_URL", raising=False)
    monkeypatch.setenv("KDLAB_API_KEY", KEY)
    assert Endpoint.from_environment() is None
    monkeypatch.setenv("KDLAB_API_URL", "https://api.example.com/v1")
    monkeypatch.setenv("KDLAB_API_MODEL", "model-1")
    owners = Endpoint.from_environment()
    assert owners == Endpoint("https://api.example.com/v1", "model-1", SecretStr(KEY))
    assert Endpoint("https://evil.example.org/v1", "model-1").key.get_secret_value() == ""


def test_pages_open_without_the_client():
    probe = (
        "import sys, kdlab.models.api_teacher as lab\n"
        "lab.Endpoint('https://api.example.com/v1', 'm')\n"
        "print([name for name in ('openai', 'httpx2', 'torch', 'transformers') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
