"""``dabench list`` and ``dabench show``: what there is, and where every configuration value comes from."""

import json
from collections.abc import Callable
from typing import Any

import timm
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dabench.discovery import discover_methods, discover_suites
from dabench.errors import UserError, unknown
from dabench.method import METHODS, MethodEntry
from dabench.resolve import flatten, paths_of, resolve, settings_of
from dabench.suite import SUITES, Suite
from dabench.sweepfile import find_suite

__all__ = ["print_list", "print_one"]


def print_list(console: Console, kind: str, as_json: bool, match: str) -> None:
    """Print methods, suites or backbones as a table or as JSON."""
    kinds: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "methods": _methods,
        "suites": _suites,
        "backbones": lambda: _backbones(match),
    }
    if kind not in kinds:
        raise unknown("list", kind, kinds)
    rows = kinds[kind]()
    if as_json:
        console.file.write(json.dumps(rows, indent=1) + "\n")
        return
    table = Table()
    for column in rows[0] if rows else ["name"]:
        table.add_column(column)
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
    return [
        {"name": name, "pretrained": timm.models.is_model_pretrained(name)}
        for name in sorted({*timm.list_models(match), *timm.list_pretrained(match)})
    ]


def print_one(console: Console, kind: str, name: str, suite: str | None) -> None:
    """Print one method or suite."""
    discover_methods()
    discover_suites()
    if kind == "method":
        _print_method(console, METHODS.get(name), find_suite(suite) if suite else None)
    elif kind == "suite":
        _print_suite(console, find_suite(name))
    else:
        raise UserError(
            f"cannot show '{kind}'", "expected: dabench show method NAME, or dabench show suite NAME"
        )


def _print_method(console: Console, entry: MethodEntry, suite: Suite | None) -> None:
    cls = entry.cls
    console.print(f"[bold]{escape(entry.name)}[/]  {escape(cls.title)}  (version {cls.version})")
    console.print(escape(entry.summary))
    console.print(f"paper: {escape(cls.paper or 'none')}")
    if cls.uses_target_labels:
        console.print("trains on target labels: an upper bound, never ranked")
    if suite is None:
        about = {f"params.{path}": info for path, info in settings_of(cls.config_class).items()}
        defaults = flatten({"params": entry.config({}).model_dump(mode="json")})
        paths = {
            path: text for path, text in paths_of(entry).items() if path.startswith(("params.", "loss_w"))
        }
        table = _settings_table("configuration of the method (the engine's: add --suite NAME)")
        for path, origin in paths.items():
            info = about.get(path)
            text = (info.description if info else "factor of the loss") or ""
            table.add_row(path, escape(str(defaults.get(path, 1.0))), escape(text), escape(origin))
        console.print(table)
        for name, recipe in cls.recipes.items():
            table = _settings_table(f"on suite {name}")
            for path, item in recipe.items():
                table.add_row(path, escape(str(item.value)), "", escape(item.source))
            console.print(table)
        return
    resolved = resolve(suite, suite.tasks()[0], entry, 0, [])
    values = {path: value for path, value in _leaves(resolved.config.model_dump(mode="json")).items()}
    table = _settings_table(f"whole configuration on suite {suite.name}")
    for path, origin in resolved.provenance.items():
        table.add_row(path, escape(str(values.get(path, ""))), "", escape(origin))
    console.print(table)


def _leaves(values: dict[str, Any]) -> dict[str, Any]:
    """Flattened values; empty mappings stay as they are."""
    return flatten(values) | {key: value for key, value in values.items() if value == {}}


def _settings_table(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("key", "value", "meaning", "where it comes from"):
        table.add_column(column, overflow="fold")
    return table


def _print_suite(console: Console, suite: Suite) -> None:
    manifest = suite.manifest
    console.print(f"[bold]{escape(manifest.name)}[/]  {escape(manifest.title)}")
    console.print(escape(manifest.about))
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
        console.print(f"{key}: {escape(value)}", highlight=False)
    table = Table(title="domains", title_justify="left")
    for column in ("name", "short", "images", "test images"):
        table.add_column(column)
    for name, domain in manifest.domains.items():
        counts = [str(count) if count else "" for count in (domain.images, domain.test_images)]
        table.add_row(name, domain.short, *counts)
    console.print(table)
    table = _settings_table("recipe")
    for path, item in manifest.recipe.items():
        table.add_row(path, escape(str(item.value)), "", escape(item.source))
    console.print(table)
    if manifest.citation:
        console.print(escape(manifest.citation), highlight=False)
