"""``dabench list`` and ``dabench show``: what there is, and where every configuration value comes from."""

import fnmatch
import json
from collections.abc import Callable
from typing import Any

import timm
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dabench import backbones
from dabench.config import RunConfig
from dabench.discovery import discover_methods, discover_rules, discover_suites
from dabench.errors import UserError, unknown
from dabench.method import METHODS, MethodEntry
from dabench.protocol import PROTOCOLS, Protocol, discover_protocols, find_protocol
from dabench.recipe import Recipe
from dabench.resolve import Layer, flatten, paths_of, resolve, settings_of
from dabench.selection import RULES, RuleEntry
from dabench.suite import SUITES, Suite
from dabench.sweepfile import find_suite

__all__ = ["print_list", "print_one"]

NARROWEST_LIST, NARROWEST_TABLE = 72, 100  # columns; below that, lines instead of a table


def print_list(console: Console, kind: str, as_json: bool, match: str) -> None:
    """Print methods, suites, backbones, protocols or selection rules as a table or as JSON."""
    kinds: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "methods": _methods,
        "suites": _suites,
        "backbones": lambda: _backbones(match),
        "protocols": _protocols,
        "rules": _rules,
    }
    if kind not in kinds:
        raise unknown("list", kind, kinds)
    rows = kinds[kind]()
    if as_json:
        console.file.write(json.dumps(rows, indent=1) + "\n")
        return
    if not rows:
        raise UserError(f"no {kind} match '{match}'", "such as: --match 'resnet*'")
    if console.width < NARROWEST_LIST:
        for row in rows:
            name, *rest = (f"{key}: {value}" for key, value in row.items())
            _say(console, "\n    ".join([name.removeprefix("name: "), *rest]))
        return
    table = Table()
    for column in rows[0]:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    console.print(table)


def _methods() -> list[dict[str, Any]]:
    discover_methods()
    entries = [METHODS.get(name) for name in METHODS]
    return [
        {
            "name": entry.name,
            "summary": entry.summary,
            "paper": entry.cls.paper,
            "ranked": not entry.cls.uses_target_labels,
        }
        for entry in entries
    ]


def _suites() -> list[dict[str, Any]]:
    discover_suites()
    suites = [SUITES.get(name) for name in SUITES]
    return [
        {
            "name": suite.name,
            "title": suite.manifest.title,
            "tasks": len(suite.tasks()),
            "classes": len(suite.manifest.classes),
            "metric": suite.manifest.metric,
        }
        for suite in suites
    ]


def _backbones(match: str) -> list[dict[str, Any]]:
    names = {*timm.list_models(match), *timm.list_pretrained(match)}
    names |= set(fnmatch.filter([backbones.dann_mnist.__name__], match))  # timm does not list it
    return [{"name": name, "pretrained": timm.models.is_model_pretrained(name)} for name in sorted(names)]


def _protocols() -> list[dict[str, Any]]:
    discover_protocols()
    protocols = [PROTOCOLS.get(name) for name in PROTOCOLS]
    return [
        {
            "name": protocol.name,
            "title": protocol.title,
            "methods": ", ".join(sorted(protocol.methods)) if protocol.methods_only else "all",
        }
        for protocol in protocols
    ]


def _reads(rule: RuleEntry) -> str:
    """What a rule reads, in words."""
    if rule.cls.uses_target_labels:
        return "target test labels"
    return ", ".join(("target", *rule.cls.needs)) if rule.cls.reads_outputs else "the steps"


def _rules() -> list[dict[str, Any]]:
    discover_rules()
    rules = [RULES.get(name) for name in RULES]
    return [
        {
            "name": rule.name,
            "title": rule.cls.title,
            "paper": rule.cls.paper,
            "reads": _reads(rule),
            "ranked": not rule.cls.uses_target_labels,
        }
        for rule in rules
    ]


def print_one(
    console: Console,
    kind: str,
    name: str,
    suite: str | None,
    frozen: bool = False,
    protocol: str | None = None,
) -> None:
    """Print one method, suite, protocol or selection rule.

    Args:
        console: to print on.
        kind: method, suite, protocol or rule.
        name: its name, or a file's where that is possible.
        suite: shows the whole configuration of a method on it.
        frozen: shows it as for runs on frozen features.
        protocol: shows it as for runs under this protocol.
    """
    for flag, given in (("--frozen-backbone", frozen), ("--protocol", protocol)):
        if given and (kind != "method" or suite is None):
            raise UserError(f"{flag} shows a method on a suite", "add --suite NAME")
    discover_methods()
    discover_suites()
    discover_rules()
    if kind == "method":
        entry, given_suite = METHODS.get(name), find_suite(suite) if suite else None
        layers = [Layer.of_values("--protocol", {"protocol": protocol})] if protocol else []
        layers += [Layer.of_values("--frozen-backbone", {"frozen_backbone": True})] if frozen else []
        _print_method(console, entry, given_suite, layers)
    elif kind == "suite":
        _print_suite(console, find_suite(name))
    elif kind == "protocol":
        _print_protocol(console, find_protocol(name))
    elif kind == "rule":
        _print_rule(console, RULES.get(name))
    else:
        raise UserError(
            f"cannot show '{kind}'", "expected: dabench show method, suite, protocol or rule NAME"
        )


def _print_method(console: Console, entry: MethodEntry, suite: Suite | None, layers: list[Layer]) -> None:
    cls = entry.cls
    console.print(f"[bold]{escape(entry.name)}[/]  {escape(cls.title)}  (version {cls.version})")
    _say(console, entry.summary)
    _say(console, f"paper: {cls.paper or 'none'}")
    if cls.uses_target_labels:
        _say(console, "trains on target labels: an upper bound, never ranked")
    if suite is None:
        defaults = flatten({"params": entry.config({}).model_dump(mode="json")})
        paths = {
            path: text for path, text in paths_of(entry).items() if path.startswith(("params.", "loss_w"))
        }
        rows = [(path, defaults.get(path, 1.0), origin) for path, origin in paths.items()]
        _print_settings(console, "configuration of the method (the engine's: add --suite NAME)", rows, entry)
        for name, recipe in cls.recipes.items():
            _print_recipe(console, f"on suite {name}", recipe)
    else:
        resolved = resolve(suite, suite.tasks()[0], entry, 0, layers)
        values = flatten(resolved.config.model_dump(mode="json"))
        origins = paths_of(entry) | resolved.provenance
        usual: dict[str, Any] = {"backbone_args": {}}
        usual |= {path: 1.0 for path in origins if path.startswith("loss_weights.")}
        rows = [(path, values.get(path, usual.get(path)), origins[path]) for path in sorted(origins)]
        _print_settings(console, f"whole configuration on suite {suite.name}", rows, entry)
    if cls.bibtex:
        _say(console, cls.bibtex.strip())


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def _print_settings(
    console: Console, title: str, rows: list[tuple[str, Any, str]], entry: MethodEntry | None = None
) -> None:
    """Print rows of key, value and origin; with an entry, what each key means as well."""
    about: dict[str, str] = {}
    if entry is not None:
        settings = settings_of(RunConfig)
        settings |= {f"params.{path}": info for path, info in settings_of(entry.cls.config_class).items()}
        about = {path: info.description or "" for path, info in settings.items()}
    cells = [
        (
            path,
            json.dumps(value, ensure_ascii=False, default=str),
            *([about.get(path, "factor of the loss")] if about else []),
            origin,
        )
        for path, value, origin in rows
    ]
    if console.width < NARROWEST_TABLE:  # a table would fold every cell into slivers
        _say(console, f"{title}:")
        for path, shown, *rest in cells:
            _say(console, "\n    ".join([f"  {path} = {shown}", *rest]))
        return
    table = Table(title=title, title_justify="left")
    table.add_column("key", no_wrap=True)
    for column in ("value", *(["meaning"] if about else []), "where it comes from"):
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*map(escape, row))
    console.print(table)


def _print_recipe(console: Console, title: str, recipe: Recipe) -> None:
    if recipe:
        _print_settings(console, title, [(path, item.value, item.source) for path, item in recipe.items()])


def _print_protocol(console: Console, protocol: Protocol) -> None:
    console.print(f"[bold]{escape(protocol.name)}[/]  {escape(protocol.title)}")
    _say(console, protocol.about.strip())
    if protocol.reports:
        _say(console, f"its authors report: {protocol.reports.strip()}")
    _say(console, f"methods: {', '.join(sorted(protocol.methods)) if protocol.methods_only else 'all'}")
    _print_recipe(console, "for every method and suite", protocol.recipe)
    for suite, recipe in protocol.suites.items():
        _print_recipe(console, f"on suite {suite}", recipe)
    for method, own in protocol.methods.items():
        _print_recipe(console, f"method {method}", own.recipe)
        for suite, recipe in own.suites.items():
            _print_recipe(console, f"method {method} on suite {suite}", recipe)


def _print_rule(console: Console, entry: RuleEntry) -> None:
    cls = entry.cls
    console.print(f"[bold]{escape(entry.name)}[/]  {escape(cls.title)}  (version {cls.version})")
    _say(console, f"score: {cls.formula}; the {'highest' if cls.higher_is_better else 'lowest'} is chosen")
    _say(console, f"paper: {cls.paper or 'none'}")
    _say(console, f"reads: {_reads(entry)}")
    if "source_val" in cls.needs:
        _say(console, "needs runs with a part of the source held out, such as --set source_holdout=0.1")
    if not cls.compares_runs:
        _say(console, "compares the steps of one run; says nothing of one run against another")
    if cls.uses_target_labels:
        _say(console, "reads target labels: an upper bound, never ranked")
    if cls.bibtex:
        _say(console, cls.bibtex.strip())


def _print_suite(console: Console, suite: Suite) -> None:
    manifest = suite.manifest
    console.print(f"[bold]{escape(manifest.name)}[/]  {escape(manifest.title)}")
    _say(console, manifest.about)
    lines = {
        "headline metric": manifest.metric,
        "classes": f"{len(manifest.classes)}: {', '.join(manifest.classes)}"
        if manifest.classes
        else "read from the data",
        "tasks": ", ".join(task.name for task in suite.tasks()),
        "licence": manifest.licence,
        "homepage": manifest.homepage or "none",
    }
    for key, value in lines.items():
        _say(console, f"{key}: {value}")
    table = Table(title="domains", title_justify="left")
    for column in ("name", "short", "images", "test images"):
        table.add_column(column, overflow="fold")
    for name, domain in manifest.domains.items():
        counts = [str(count) if count else "" for count in (domain.images, domain.test_images)]
        table.add_row(escape(name), escape(domain.short), *counts)
    console.print(table)
    _print_recipe(console, "recipe", manifest.recipe)
    for source in manifest.sources:
        _say(console, f"{source.archive}: {source.address}")
        _say(console, f"    seen in {source.seen_in}{f'; {source.note}' if source.note else ''}")
    for text in (manifest.by_hand, manifest.citation):
        if text:
            _say(console, text.strip())
