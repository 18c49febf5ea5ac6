"""What a setting's control is called in a visitor's session."""

from __future__ import annotations

from kdlab.runs.recipes import Recipe
from kdlab.runs.text_recipes import TextRecipe
from kdlab.ui.url_state import OF_TEXTS


def key_of(recipe: type[Recipe], field: str) -> str:
    """The key of a setting's control: settings of texts have a memory of their own."""
    return f"{OF_TEXTS}{field}" if issubclass(recipe, TextRecipe) else field
