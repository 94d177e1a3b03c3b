"""Find methods, suites and commands without naming any: what lies in the plugin packages registers itself.

Methods and loaders are Python modules that register on import; suites are YAML manifests. A method in a
package of one's own is found through the entry point group ``dabench.methods``.
"""

import importlib
import importlib.metadata
import pkgutil
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dabench.errors import UserError, did_you_mean
from dabench.suite import SUITES, Address, DomainInfo, Manifest, Suite
from dabench.yamlfile import read_yaml

__all__ = [
    "ENTRY_POINTS",
    "RULE_ENTRY_POINTS",
    "command_modules",
    "discover_methods",
    "discover_rules",
    "discover_suites",
    "read_manifest",
]

ENTRY_POINTS = "dabench.methods"
RULE_ENTRY_POINTS = "dabench.rules"
PLUGINS = ("methods", "datasets", "leaderboard")


def _modules(package: str) -> list[str]:
    found = importlib.import_module(f"dabench.{package}")
    return sorted(f"{found.__name__}.{info.name}" for info in pkgutil.iter_modules(found.__path__))


@cache
def discover_methods() -> None:
    """Import every module in ``methods/`` and every installed entry point, once."""
    for name in _modules("methods"):
        importlib.import_module(name)
    _load_entry_points(ENTRY_POINTS, "methods")


@cache
def discover_rules() -> None:
    """Import every module in ``dabench/rules/`` and every installed entry point, once."""
    for name in _modules("rules"):
        importlib.import_module(name)
    _load_entry_points(RULE_ENTRY_POINTS, "selection rules")


def _load_entry_points(group: str, what: str) -> None:
    for entry_point in sorted(importlib.metadata.entry_points(group=group), key=lambda item: item.name):
        try:
            entry_point.load()
        except Exception as error:  # whatever a package of somebody else's raises
            package = entry_point.dist.name if entry_point.dist else "an installed package"
            raise UserError(
                f"the {what} of {package} ({entry_point.value}) cannot be imported: "
                f"{type(error).__name__}: {error}",
                f"mend or remove {package}",
            ) from error


@cache
def discover_suites() -> None:
    """Import the loaders and read the manifests in ``datasets/``, once."""
    for name in _modules("datasets"):
        if not name.endswith(".commands"):
            importlib.import_module(name)
    folder = Path(str(files("dabench").joinpath("datasets")))
    for path in sorted(folder.glob("*.yaml")):
        manifest = read_manifest(path)
        SUITES.add(manifest.name, Suite(manifest, None, str(path)), origin=str(path))


def read_manifest(path: Path) -> Manifest:
    """Read and validate a manifest; every problem is a UserError with file, key and what was expected."""
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a manifest: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a manifest is a mapping with name, title, loader and domains")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        lines = [_line(item) for item in error.errors()]
        raise UserError(f"{path}: " + "; ".join(lines), "docs/suites.md describes every key") from error


def _line(item: ErrorDetails) -> str:
    """One problem of a manifest; an unknown key comes with the nearest one that there is."""
    close = ""
    if item["type"] == "extra_forbidden":
        owner = {1: Manifest, 3: DomainInfo if item["loc"][0] == "domains" else Address}
        model = owner.get(len(item["loc"]))
        close = did_you_mean(str(item["loc"][-1]), model.model_fields) if model else ""
    return f"{'.'.join(map(str, item['loc'])) or 'manifest'}: {item['msg']}{f' ({close})' if close else ''}"


def command_modules() -> list[ModuleType]:
    """Modules called ``commands`` in the plugin packages; each adds its own to the command line."""
    names = [name for package in PLUGINS for name in _modules(package) if name.endswith(".commands")]
    return [importlib.import_module(name) for name in names]
