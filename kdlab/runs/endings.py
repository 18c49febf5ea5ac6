"""How a run ended, kept beside its students for as long as the store refuses it.

The worker goes on trying. Where its process ends first, the dispatcher takes up what waits.
"""

from __future__ import annotations

import json
from typing import Any

from kdlab.models.kept_files import write_whole
from kdlab.runs import artifacts
from kdlab.runs.claims import Claim, ClaimLostError


def put_by(claim: Claim, ending: dict[str, Any]) -> None:
    """Keeps the arguments of `Claim.finish`. Raises OSError."""
    kept = {"claim": claim.token, "ending": ending}
    write_whole(artifacts.folder(claim.run_id) / "ending.json", json.dumps(kept).encode())


def drop(run_id: str) -> None:
    """The store has it."""
    (artifacts.folder(run_id) / "ending.json").unlink(missing_ok=True)


def take_up(claim: Claim) -> bool:
    """Ends the run as the file that waits says. False where none waits for this claim. Raises StoreError."""
    path = artifacts.folder(claim.run_id) / "ending.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        token, ending = kept["claim"], dict(kept["ending"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if token is None or token != claim.token:
        return False
    try:
        claim.finish(**ending)
    except ClaimLostError:
        return False
    drop(claim.run_id)
    return True
