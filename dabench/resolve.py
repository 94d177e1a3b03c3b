"""Resolve one run's configuration from its layers, and say of every value where it came from.

Precedence: defaults < the suite's recipe < the method's recipe for the suite < the protocol < the recipe for
frozen features (where they are asked for) < recipe files < sweep file < flags. The protocol is the one that
the strongest of these layers names.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from dabench.config import RunConfig
from dabench.errors import UserError, did_you_mean
from dabench.frozen import FROZEN_RECIPE
from dabench.method import MethodEntry
from dabench.protocol import Protocol, find_protocol
from dabench.recipe import Recipe, RecipeBook
from dabench.suite import Suite, Task
from dabench.yamlfile import parse_yaml

__all__ = ["Layer", "Resolved", "flatten", "parse_assignment", "paths_of", "resolve", "settings_of"]

IDENTITY = ("suite", "task", "method", "seed")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


@dataclass(frozen=True)
class Layer:
    """Values of one origin: dotted path to value, and what the record says of where each came from."""

    where: str
    values: Mapping[str, Any]
    sources: Mapping[str, str]

    @classmethod
    def of_recipe(cls, where: str, recipe: Recipe) -> "Layer":
        """A recipe's values with their sources."""
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for path, item in recipe.items():
            flat = flatten({path: item.value})
            values |= flat
            sources |= dict.fromkeys(flat, f"{where}: {item.source}")
        return cls(where, values, sources)

    @classmethod
    def of_values(cls, where: str, values: Mapping[str, Any]) -> "Layer":
        """Values that the user gave. Raises UserError for a mapping without any: it would be lost."""
        flat = flatten(values)
        for path in _empty(values):
            raise UserError(f"{where}: {path} is empty", "give it a value, or leave it out")
        return cls(where, flat, dict.fromkeys(flat, where))

    @classmethod
    def of_book(cls, where: str, book: RecipeBook, suite: str, method: str) -> list["Layer"]:
        """What a recipe book says of a method on a suite, weakest first."""
        return [
            cls.of_recipe(f"{where} {book.name}{f' for {scope}' if scope else ''}", recipe)
            for scope, recipe in book.layers(suite, method)
        ]


@dataclass(frozen=True)
class Resolved:
    """A validated configuration and the provenance of each of its values.

    Attributes:
        config: of the run.
        provenance: dotted path to where its value came from.
        protocol: the protocol's name, or its file, as it was given.
        changed: paths that the protocol sets and something stronger has set to another value.
    """

    config: RunConfig
    provenance: dict[str, str]
    protocol: str = ""
    changed: tuple[str, ...] = ()


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into dotted paths.

    >>> flatten({"optimiser": {"lr": 0.1}, "steps": 5})
    {'optimiser.lr': 0.1, 'steps': 5}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = _number(value)
    return flat


def _empty(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Paths of mappings that hold nothing."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _empty(value, f"{prefix}{key}.") if value else (f"{prefix}{key}",)


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 as text; people mean a number."""
    if isinstance(value, list):
        return [_number(item) for item in value]
    return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read ``key=value`` of ``--set``; the value is YAML.

    >>> parse_assignment("head.classifier_hidden=[100, 100]")
    ('head.classifier_hidden', [100, 100])
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {text}: expected key=value", "such as --set optimiser.lr=0.02")
    try:
        return key.strip(), _number(parse_yaml(value))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"--set {text}: the value is no YAML: {reason}", "quote it for YAML") from error


def settings_of(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """All settings of a configuration model, nested ones by dotted path."""
    found: dict[str, FieldInfo] = {}
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found |= settings_of(info.annotation, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = info
    return found


def paths_of(entry: MethodEntry) -> dict[str, str]:
    """Every path that may be set for a method, and where its default comes from."""
    paths: dict[str, str] = {}
    for path, info in settings_of(RunConfig).items():
        if path not in IDENTITY and path not in ("params", "loss_weights"):
            paths[path] = _source_of(info)
    for path, info in settings_of(entry.cls.config_class).items():
        named = path in entry.params
        paths[f"params.{path}"] = f"method {entry.name}" if named else _source_of(info)
    for name in entry.cls.loss_names:
        paths[f"loss_weights.{name}"] = "1 where none is given"
    return paths


def _source_of(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    return f"default: {extra['source']}" if isinstance(extra, dict) and "source" in extra else "default"


def resolve(
    suite: Suite,
    task: Task,
    entry: MethodEntry,
    seed: int,
    layers: Iterable[Layer],
    backbone: str | None = None,
    books: Sequence[RecipeBook] = (),
    find: Callable[[str], Protocol] = find_protocol,
) -> Resolved:
    """Merge the layers over the recipes and validate.

    Args:
        suite: the suite, with its recipe.
        task: one of its tasks.
        entry: the method, with its recipes.
        seed: of the run.
        layers: the user's, weakest first.
        backbone: a timm name that overrides all layers (from a sweep's list of backbones).
        books: recipe files, weakest first; they lie below the layers.
        find: returns a protocol by its name or file.

    Raises:
        UserError: unknown path, wrong type or impossible combination, naming origin, path and suggestion.
    """
    known = paths_of(entry)
    free = _mappings(entry)
    recipes = [Layer.of_recipe(f"suite {suite.name}", suite.manifest.recipe)]
    if suite.name in entry.cls.recipes:
        where = f"method {entry.name} on {suite.name}"
        recipes.append(Layer.of_recipe(where, entry.cls.recipes[suite.name]))
    files = [layer for book in books for layer in Layer.of_book("recipe", book, suite.name, entry.name)]
    layers = [*files, *layers]
    given, protocol = _protocol([*recipes, *layers], find)
    protocol.require(entry.name)
    own = Layer.of_book("protocol", protocol, suite.name, entry.name)
    recipes += own
    if _frozen([*recipes, *layers]):
        recipes.append(Layer.of_recipe("frozen features", FROZEN_RECIPE))
    if backbone is not None:
        layers.append(Layer.of_values("backbone of the sweep", {"backbone": backbone}))
    stack = _of_one_backbone([*recipes, *layers])
    values: dict[str, Any] = {}
    provenance = {path: source for path, source in known.items() if not path.startswith("loss_weights.")}
    for layer in stack:
        for path, value in layer.values.items():
            if path not in known and not path.startswith(free):
                raise _unknown_path(layer.where, path, known, entry)
            values[path] = value
            provenance[path] = layer.sources[path]
    values["protocol"] = protocol.name
    identity = {"suite": suite.name, "task": task.name, "method": entry.name, "seed": seed}
    try:
        config = RunConfig.model_validate({**_nest(values), **identity})
        params = entry.config(config.params)
    except ValidationError as error:
        raise _invalid(error, provenance, entry) from error
    config = config.model_copy(update={"params": params.model_dump(mode="json")})
    changed = _changed(own, flatten(config.model_dump(mode="json")), provenance)
    return Resolved(config, dict(sorted(provenance.items())), given, changed)


def _protocol(layers: Sequence[Layer], find: Callable[[str], Protocol]) -> tuple[str, Protocol]:
    """The protocol that the strongest layer names: as it is named there, and what it is."""
    naming = [layer for layer in layers if "protocol" in layer.values]
    if not naming:
        text = str(RunConfig.model_fields["protocol"].default)
        return text, find(text)
    text = str(naming[-1].values["protocol"])
    try:
        return text, find(text)
    except UserError as error:
        raise UserError(f"{naming[-1].where}: {error}", error.hint) from error


def _changed(
    protocol: Sequence[Layer], values: Mapping[str, Any], provenance: Mapping[str, str]
) -> tuple[str, ...]:
    """Paths of the protocol that ended with another value, from elsewhere.

    A weights file counts as a way to get the weights that the protocol asks for: the record has its digest.
    """
    wanted: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer in protocol:
        wanted |= layer.values
        sources |= layer.sources
    return tuple(
        path
        for path in sorted(wanted)
        if provenance.get(path) != sources[path]
        and values.get(path) != wanted[path]
        and not (path == "weights" and str(values[path]).startswith("sha256:"))
    )


def _of_one_backbone(layers: Sequence[Layer]) -> list[Layer]:
    """Cut off what a layer says of a backbone that another one replaces: arguments, weights, colours."""
    final = next((layer.values["backbone"] for layer in reversed(layers) if "backbone" in layer.values), None)
    kept = []
    for layer in layers:
        if not _same_backbone(layer.values.get("backbone", final), final):
            values = {path: value for path, value in layer.values.items() if not _of_backbone(path, value)}
            layer = Layer(layer.where, values, layer.sources)
        kept.append(layer)
    return kept


def _same_backbone(one: Any, other: Any) -> bool:
    """Whether two names mean one backbone: equal, or one of them leaves out the tag of its weights."""
    names = [str(name).partition(".") for name in (one, other)]
    return names[0][0] == names[1][0] and (names[0][2] == names[1][2] or not all(name[2] for name in names))


def _of_backbone(path: str, value: Any) -> bool:
    if path == "weights":
        return str(value).startswith("sha256:")  # of a file; "none" asks for random weights of whatever it is
    return (
        path in ("backbone", "image.mean", "image.std")
        or path == "backbone_args"
        or path.startswith("backbone_args.")
    )


def _frozen(layers: Iterable[Layer]) -> bool:
    """Whether the layers ask for a frozen backbone."""
    given = [layer.values["frozen_backbone"] for layer in layers if "frozen_backbone" in layer.values]
    return bool(given) and given[-1] is True


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        place = nested
        for part in parents:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[last] = value
    return nested


def _mappings(entry: MethodEntry) -> tuple[str, ...]:
    """Beginnings of the paths below settings whose keys are free, such as ``backbone_args.``."""
    fields = {"backbone_args": RunConfig.model_fields["backbone_args"]}
    fields |= {f"params.{path}": info for path, info in settings_of(entry.cls.config_class).items()}
    origins = {path: get_origin(info.annotation) for path, info in fields.items()}
    return tuple(f"{path}." for path, origin in origins.items() if origin in (dict, Mapping))


def _unknown_path(where: str, path: str, known: Mapping[str, str], entry: MethodEntry) -> UserError:
    if path in IDENTITY:
        return UserError(f"{where}: '{path}' is not set here", f"use the list '{path}s' or the flag --{path}")
    close = did_you_mean(path, known) or did_you_mean(path.rpartition(".")[2], known)
    show = f"'dabench show method {entry.name}' lists every key"
    return UserError(f"{where}: unknown key '{path}' for method {entry.name}", f"{close} {show}".strip())


def _invalid(error: ValidationError, provenance: Mapping[str, str], entry: MethodEntry) -> UserError:
    prefix = () if error.title == RunConfig.__name__ else ("params",)
    lines = []
    for item in error.errors():
        path = ".".join(str(part) for part in (*prefix, *item["loc"]))
        origin = _origin(path, item["msg"], provenance)
        shown = f" (given: {item['input']!r})" if item["type"] != "value_error" else ""
        place = f"{path or 'configuration'}{f' ({origin})' if origin else ''}"
        lines.append(f"{place}: {item['msg'].removeprefix('Value error, ')}{shown}")
    return UserError("; ".join(lines), f"'dabench show method {entry.name}' lists keys, types and defaults")


def _origin(path: str, message: str, provenance: Mapping[str, str]) -> str:
    """Where a wrong value came from; for a section, that of the values which the message names."""
    words = set(re.findall(r"\w+", message))
    section = f"{path}." if path else ""
    named = [key for key in provenance if key.startswith(section) and _names(words, key, section)]
    if not named:
        exact = (where for where in (path, path.rpartition(".")[0]) if where in provenance)
        return provenance[found] if (found := next(exact, None)) is not None else ""
    return ", ".join(f"{key}: {provenance[key]}" for key in named)


def _names(words: set[str], key: str, section: str) -> bool:
    """Whether a message names a value of a section, or the mapping in it that holds the value."""
    rest = key.removeprefix(section)
    return rest in words or (bool(section) and rest.partition(".")[0] in words)
