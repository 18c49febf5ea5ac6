"""All recipes by name: what made a stored run, where this lab still knows it."""

from __future__ import annotations

from kdlab.runs.ladder import Ladder
from kdlab.runs.recipes import Recipe, ThreeArms, settings_of
from kdlab.runs.spec import Spec
from kdlab.runs.text_recipes import TEXT_RECIPES

RECIPES: dict[str, type[Recipe]] = {ThreeArms.recipe: ThreeArms, Ladder.recipe: Ladder, **TEXT_RECIPES}


def launched_with(spec: Spec) -> Recipe | None:
    """The settings of which its recipe made the run; None where this lab does not know the recipe, or it was an older one."""
    recipe = RECIPES.get(spec.recipe.name)
    return None if recipe is None else settings_of(spec, recipe)
