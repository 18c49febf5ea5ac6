"""The rooms import one way, and the app opens without torch."""

from __future__ import annotations

import ast
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TORCH_FREE_ROOMS = ("kdlab.core", "kdlab.data", "kdlab.lessons", "kdlab.server", "kdlab.ui")
TORCH_FREE_MODULES = (
    "kdlab.models.catalogue",
    "kdlab.models.api_teacher",
    "kdlab.distill.arms",
    "kdlab.distill.objective_catalogue",
    "kdlab.runs.spec",
    "kdlab.runs.store",
    "kdlab.runs.dispatcher",
)
SCRIPTS = ("app.py", "kdlab/main.py", "pages/*.py")


def _torch_after(statements: list[tuple[str, str]]) -> dict[str, str]:
    """Runs named import statements in one fresh process; names those that fail or first bring torch in."""
    probe = """
import json, sys
verdicts = {}
for name, statement in json.load(sys.stdin):
    before = set(sys.modules)
    try:
        exec(statement, {})
    except Exception as error:
        verdicts[name] = f"cannot be imported: {error!r}"
    heavy = {"torch", "transformers"} & (set(sys.modules) - before)
    if heavy:
        verdicts[name] = f"imports {', '.join(sorted(heavy))}"
json.dump(verdicts, sys.__stdout__)
"""
    answer = subprocess.run(
        [sys.executable, "-c", probe],
        input=json.dumps(statements),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return json.loads(answer.stdout)


def _top_level_imports(script: Path) -> str:
    """A script's own import statements: what runs before its first line of work."""
    nodes = ast.parse(script.read_text(encoding="utf-8")).body
    return "\n".join(
        ast.unparse(node)
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__"
    )


def test_rooms_import_in_one_direction():
    # In a process of its own: it silences every logger of the process that it runs in.
    lint = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(no_cache=True))"
    found = subprocess.run([sys.executable, "-c", lint], check=False, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_light_modules_import_without_torch():
    names = list(TORCH_FREE_MODULES)
    for room in TORCH_FREE_ROOMS:
        folder = ROOT.joinpath(*room.split("."))
        names += [room, *(m.name for m in pkgutil.walk_packages([str(folder)], f"{room}."))]
    assert _torch_after([(name, f"import {name}") for name in names]) == {}


def test_app_and_pages_import_without_torch():
    scripts = [script for pattern in SCRIPTS for script in sorted(ROOT.glob(pattern))]
    assert {"app.py", "main.py"} < {script.name for script in scripts}
    imports = [(str(script.relative_to(ROOT)), _top_level_imports(script)) for script in scripts]
    assert _torch_after(imports) == {}


def test_no_button_is_asked_whether_it_was_pressed():
    """Its value goes with the run of the script that another message ends: `ask_button` notes the press."""
    read = {}
    for script in [*ROOT.glob("kdlab/**/*.py"), *ROOT.glob("pages/*.py")]:
        tree = ast.parse(script.read_text(encoding="utf-8"))
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        pressed = [
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("button", "form_submit_button")
            and id(node) not in said
        ]
        if pressed:
            read[script.relative_to(ROOT).as_posix()] = pressed
    assert read == {}
