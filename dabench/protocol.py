"""Protocols: named recipes that say which images are trained on and tested on, and how.

A protocol is a recipe book in a YAML file, as docs/protocols.md describes: one of those in ``protocols/``, or
a file of one's own. Recipe files (``--recipe``) have the same format.
"""

from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from dabench.discovery import discover_methods
from dabench.errors import UserError, did_you_mean
from dabench.method import METHODS
from dabench.recipe import MethodRecipes, Recipe, RecipeBook, Sourced
from dabench.registry import Registry
from dabench.yamlfile import read_yaml

__all__ = ["PROTOCOLS", "Protocol", "discover_protocols", "find_protocol", "read_recipes"]

FOLDER = Path(__file__).parent / "protocols"
Book = TypeVar("Book", bound=RecipeBook)


class Protocol(RecipeBook):
    """A recipe book that a run can name as its protocol."""

    methods_only: bool = Field(False, description="refuse methods that the book does not list")
    reports: str = Field("", description="what its authors report of a run")

    @model_validator(mode="after")
    def _names_no_other(self) -> "Protocol":
        recipes: list[Recipe] = [self.recipe, *self.suites.values()]
        for method in self.methods.values():
            recipes += [method.recipe, *method.suites.values()]
        if any("protocol" in recipe for recipe in recipes):
            raise ValueError("a recipe sets 'protocol': a protocol names no other one")
        return self

    def require(self, method: str) -> None:
        """Refuse a method that a protocol of listed methods does not list.

        Raises:
            UserError: naming the methods that it lists.
        """
        if self.methods_only and method not in self.methods:
            raise UserError(
                f"protocol {self.name} says nothing of method {method}",
                f"it lists {', '.join(sorted(self.methods))}; choose another --protocol for {method}",
            )


PROTOCOLS: Registry[Protocol] = Registry("protocol")


@cache
def discover_protocols() -> None:
    """Read the protocols that come with dabench, once."""
    for path in sorted(FOLDER.glob("*.yaml")):
        protocol = _read(path, "a protocol", Protocol)
        PROTOCOLS.add(protocol.name, protocol, origin=str(path))


def find_protocol(text: str) -> Protocol:
    """Return a shipped protocol by name, or that of a file.

    Raises:
        UserError: no such name or file, or something wrong in it, with file, key and suggestion.
    """
    discover_protocols()
    if text not in PROTOCOLS and text.endswith((".yaml", ".yml")):
        path = Path(text)
        if not path.is_file():
            raise UserError(f"protocol file {text} does not exist", f"by name: {', '.join(PROTOCOLS)}")
        protocol = _read(path, "a protocol", Protocol)
        if protocol.name in PROTOCOLS:
            raise UserError(
                f"{text}: the name '{protocol.name}' is taken by a shipped protocol", "choose another name"
            )
        return protocol
    return PROTOCOLS.get(text)


def read_recipes(path: Path) -> RecipeBook:
    """Read a recipe file.

    Raises:
        UserError: no such file, or something wrong in it, with file, key and suggestion.
    """
    if not path.is_file():
        raise UserError(f"recipe file {path} does not exist", "'dabench tune' writes one")
    return _read(path, "a recipe file", RecipeBook)


def _read(path: Path, what: str, model: type[Book]) -> Book:
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as {what}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: {what} is a mapping with name and recipe", "docs/protocols.md has examples")
    try:
        book = model.model_validate(content)
    except ValidationError as error:
        lines = [_line(item, model) for item in error.errors()]
        raise UserError(f"{path}: " + "; ".join(lines), "docs/protocols.md describes every key") from error
    discover_methods()
    for name in book.methods:
        if name not in METHODS:
            raise UserError(f"{path}: methods.{name}: no such method", did_you_mean(name, METHODS))
    return book


def _line(item: ErrorDetails, model: type[RecipeBook]) -> str:
    """One problem of a file; an unknown key comes with the nearest one that there is."""
    where, close = item["loc"], ""
    if item["type"] == "extra_forbidden":
        owner: type[BaseModel] = model if len(where) == 1 else Sourced
        if len(where) == 3 and where[0] == "methods":
            owner = MethodRecipes
        close = did_you_mean(str(where[-1]), owner.model_fields)
    elif "instance of Sourced" in item["msg"]:
        return f"{'.'.join(map(str, where))}: expected {{value: ..., source: ...}}, given {item['input']!r}"
    message = item["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, where)) or 'file'}: {message}{f' ({close})' if close else ''}"
