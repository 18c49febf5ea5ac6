"""What every test shares: how hypothesis searches, and which tests need a graphics card."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Tests assert behaviour, never a time; the same code must always give the same verdict.
settings.register_profile("kdlab", deadline=None, derandomize=True)
settings.load_profile("kdlab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_card = [item for item in items if item.get_closest_marker("gpu")]
    if not on_card:
        return
    import torch

    if not torch.cuda.is_available():
        for item in on_card:
            item.add_marker(pytest.mark.skip(reason="needs a graphics card"))
