"""Recipes: configuration values that a suite, a method, a protocol or a search brings along, with sources."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "LOOKED_AT_TARGET",
    "ON_TARGET_LABELS",
    "SEARCHED",
    "TRIAL",
    "MethodRecipes",
    "Recipe",
    "RecipeBook",
    "Sourced",
    "from_search",
    "says",
    "searched",
]

# How the source of a value says that a search chose it on the target's labels, and that people did who looked
# at target accuracy. Searches write these words and leaderboards read them.
ON_TARGET_LABELS = "chosen on target labels"
LOOKED_AT_TARGET = "looking at target accuracy"
DENIED = r"(?<!not )(?<!without )"
TRIAL = "tried by dabench tune"
SEARCHED = re.compile(r"dabench tune: best of (?P<trials>\d+ trials?)[^,;()]* by rule (?P<rule>[^\s,;()]+)")


def says(source: str, words: str) -> bool:
    """Whether the source of a value says one of the phrases above, and does not deny it.

    >>> says("Chosen on target labels, see the log", ON_TARGET_LABELS)
    True
    >>> says("our choice, without looking at target accuracy", LOOKED_AT_TARGET)
    False
    """
    return re.search(DENIED + words, " ".join(source.casefold().split())) is not None


def from_search(source: str) -> bool:
    """Whether the source of a value says that a search tried or chose it."""
    return source == TRIAL or SEARCHED.search(source) is not None


def searched(budget: str, rule: str) -> str:
    """How the source of a value begins that a search chose; SEARCHED reads it.

    >>> SEARCHED.match(searched("20 trials x 6 tasks x 3 seeds", "infomax")).groups()
    ('20 trials', 'infomax')
    """
    return f"dabench tune: best of {budget} by rule {rule}"


class Sourced(BaseModel):
    """A configuration value and where it comes from (paper and section, or how it was chosen)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Any
    source: str = Field(min_length=3)


Recipe = dict[str, Sourced]
"""Dotted path in the run configuration ("optimiser.lr", "params.beta") to value and source."""


class MethodRecipes(BaseModel):
    """What a book says of one method: on every suite, and by suite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe = {}
    suites: dict[str, Recipe] = {}


class RecipeBook(BaseModel):
    """Recipes by suite and method, as a YAML file holds them; later ones win over earlier ones.

    ``recipe`` (everything) < ``suites`` < ``methods.M.recipe`` < ``methods.M.suites``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    title: str = ""
    about: str = ""
    recipe: Recipe = {}
    suites: dict[str, Recipe] = {}
    methods: dict[str, MethodRecipes] = {}

    def layers(self, suite: str, method: str) -> list[tuple[str, Recipe]]:
        """What applies to a method on a suite, weakest first: for whom it is written, and the recipe."""
        own = self.methods.get(method, MethodRecipes())
        stack = [
            ("", self.recipe),
            (suite, self.suites.get(suite, {})),
            (method, own.recipe),
            (f"{method} on {suite}", own.suites.get(suite, {})),
        ]
        return [(scope, recipe) for scope, recipe in stack if recipe]
