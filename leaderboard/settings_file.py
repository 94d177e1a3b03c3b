"""Read how the page shall compute: a YAML file of ``Settings``, and ``key=value`` on top of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dabench.errors import UserError, did_you_mean
from dabench.leaderboard.settings import Settings
from dabench.resolve import flatten, parse_assignment, settings_of
from dabench.yamlfile import read_yaml

__all__ = ["read_settings"]


def read_settings(file: Path | None, assignments: Sequence[str] = ()) -> Settings:
    """Read the settings; what is not set keeps its default.

    Args:
        file: YAML such as ``ci: {level: 0.9}``; None for none.
        assignments: texts such as ``ci.level=0.9``, which override the file.

    Raises:
        UserError: no such file, no YAML, an unknown key, or a value that does not fit.
    """
    known = settings_of(Settings)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    given = [(str(file), path, value) for path, value in flatten(_content(file)).items()] if file else []
    given += [("--set", *parse_assignment(text)) for text in assignments]
    for where, path, value in given:
        if path not in known:
            inside = [name for name in known if name.startswith(f"{path}.")]
            hint = f"set {', '.join(inside)}" if inside else did_you_mean(path, known)
            hint = f"{hint} settings: {', '.join(known)}".strip()
            raise UserError(f"{where}: unknown setting '{path}'", hint)
        values[path], sources[path] = value, where
    try:
        return Settings.model_validate(_nested(values))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise UserError(f"{sources.get(path, 'settings')}: {path}: {first['msg']}") from error


def _content(file: Path) -> Mapping[str, Any]:
    try:
        content = read_yaml(file)
    except FileNotFoundError as error:
        raise UserError(f"settings file {file} does not exist", "it is the file of --config") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UserError(f"{file}: settings are a mapping", "such as: ci: {level: 0.9}")
    return content


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        inner = found
        for name in parents:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return found
