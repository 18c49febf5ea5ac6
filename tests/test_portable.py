"""Windows: nothing that only another system has is used unguarded, in the lab or in what it is built with."""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdlab.__main__ import main

ROOT = Path(__file__).resolve().parents[1]
LAB = sorted([ROOT / "app.py", *(ROOT / "kdlab").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])
ALL = LAB + sorted(path for room in ("benchmarks", "tests") for path in (ROOT / room).rglob("*.py"))
POSIX_MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "termios"}
POSIX_NAMES = {
    "os": {"fork", "forkpty", "getuid", "geteuid", "killpg", "mkfifo", "setsid", "setpgid", "uname", "chown"},
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "alarm", "pause"},
    "time": {"tzset"},
}
DATE = re.compile(r"%([^%])")
C_DIRECTIVES = "aAbBcdHIjmMpSUwWxXyYZ"


def _faults(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    guarded = {
        inner
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and "win32" in (ast.get_source_segment(source, function) or "")
        for inner in ast.walk(function)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if node not in guarded:
                yield from (f"import {name.name}" for name in names if name.name in POSIX_MODULES)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if node not in guarded:
                if name in POSIX_NAMES.get(module, ()):
                    yield f"{module}.{name}"


def _dates(source: str) -> Iterator[str]:
    """The directives of every strftime and of every format that a date could have, as far as C does not know them."""
    for node in ast.walk(ast.parse(source)):
        texts: list[ast.AST] = []
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("strftime", "strptime"):
            texts = list(node.args)
        elif isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            texts = [node.format_spec]
        for text in texts:
            for part in ast.walk(text):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield from (f"%{d}" for d in DATE.findall(part.value) if d not in C_DIRECTIVES)


def _encodings(source: str) -> Iterator[str]:
    """Calls that read or write text in whatever encoding the system is set to."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        called_on = node.func.value if isinstance(node.func, ast.Attribute) else None
        modes = [arg.value for arg in [*node.args, *(k.value for k in node.keywords)] if isinstance(arg, ast.Constant)]
        binary = any(isinstance(mode, str) and re.fullmatch(r"[rwax+]*b[rwax+]*", mode) for mode in modes)
        path_open = isinstance(called_on, ast.Name | ast.Call) and getattr(called_on, "id", "") not in ("os", "tarfile", "zipfile", "gzip", "Image")
        told = {"read_text": 1, "write_text": 2}.get(name, 9)  # the encoding may stand without its name
        if len(node.args) >= told:
            continue
        if name in ("read_text", "write_text") or (name == "open" and not binary and (called_on is None or path_open)):
            yield ast.unparse(node)[:80]


@pytest.mark.parametrize("path", LAB, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_lab_uses_nothing_that_windows_lacks(path: Path) -> None:
    assert list(_faults(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_dates_and_texts_are_written_alike_on_every_system(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert [*_dates(source), *_encodings(source)] == []


@pytest.mark.parametrize(
    ("source", "look"),
    [
        ('time.strftime("%-d %B")', _dates),
        ('day.strftime("%#d")', _dates),
        ('f"{day:%-d}"', _dates),
        ('Path("x").read_text()', _encodings),
        ('path.write_text("x")', _encodings),
        ('open("x", "w")', _encodings),
        ('path.open("a")', _encodings),
        ("os.killpg(1, 9)", _faults),
        ("signal.SIGKILL", _faults),
        ("import resource", _faults),
    ],
)
def test_the_look_finds_what_it_looks_for(source: str, look: object) -> None:
    assert list(look(source))  # type: ignore[operator]


def test_the_command_line_can_be_sent_into_a_pipe_that_knows_few_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(told, encoding="cp1252", write_through=True))
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])
    assert ended.value.code == 0
    assert b"--kd-weight" in told.getvalue()
