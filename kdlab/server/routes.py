"""Where the lab's own routes lie."""

from __future__ import annotations

from streamlit import config


def lab_path(rest: str) -> str:
    """The path of one of the lab's own routes, behind a proxy's prefix too."""
    base = (config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/lab/{rest}" if base else f"/lab/{rest}"
