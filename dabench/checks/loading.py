"""Find the methods that are to be checked: in a file of somebody's, or registered already."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from dabench.discovery import discover_methods
from dabench.errors import UserError
from dabench.method import METHODS, MethodEntry

__all__ = ["given_file", "load", "own_files"]


def given_file(text: str) -> Path | None:
    """Return the file that is to be checked, by its absolute path; None where it is a method's name.

    Raises:
        UserError: there is no such file, or it is no Python file.
    """
    path = Path(text)
    if not (text.endswith(".py") or "/" in text or path.is_file()):
        return None
    if not path.is_file():
        raise UserError(
            f"there is no file {text}", "expected a method file, or a name of 'dabench list methods'"
        )
    if path.suffix != ".py":
        raise UserError(f"{text} is no Python file", "expected a method file, my_method.py for instance")
    return path.absolute()


def load(text: str, before: Callable[[Path], None] = lambda _: None) -> list[MethodEntry]:
    """Import a method file and return what it registers, or return a registered method by its name.

    Args:
        text: a file, or a name.
        before: called with the file before it is imported.

    Raises:
        UserError: no such file or name; the file cannot be imported, or registers nothing.
    """
    discover_methods()
    path = given_file(text)
    if path is None:
        return [METHODS.get(text)]
    known = [entry for entry in map(METHODS.get, METHODS) if entry.file and entry.file.samefile(path)]
    if known:
        return known
    earlier = set(METHODS)
    before(path)
    try:
        _import(path)
    except Exception as error:  # whatever somebody's file raises
        raise UserError(f"{text} cannot be imported: {_said(error, path)}") from error
    found = [METHODS.get(name) for name in METHODS if name not in earlier]
    if not found:
        raise UserError(
            f"{text} registers no method",
            'a method is a class below @register("name"), from dabench.method import register',
        )
    return found


def own_files(entry: MethodEntry) -> list[Path]:
    """Files of the method's class and of its bases, but for the engine's and torch's."""
    modules = {cls.__module__ for cls in entry.cls.__mro__}
    foreign = ("dabench.method", "torch", "builtins", "typing", "abc")
    files = [
        getattr(sys.modules.get(name), "__file__", None)
        for name in sorted(modules)
        if name not in foreign and not name.startswith("torch.")
    ]
    return [Path(file) for file in {*files, str(entry.file) if entry.file else None} if file]


def _import(path: Path) -> None:
    """Import a file: as a module of its package where it lies in one, by itself elsewhere."""
    path = path.resolve()
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").exists():
        folder, parts = folder.parent, [folder.name, *parts]
    sys.path.append(str(folder))  # last: a file beside it must not take the place of a library
    if len(parts) > 1:
        importlib.import_module(".".join(parts))
        return
    name = f"checked_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where inspect looks for a class's file
    spec.loader.exec_module(module)


def _said(error: Exception, path: Path) -> str:
    """An exception in one line, with the line of the file that it comes from."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path.resolve()
    ]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"
