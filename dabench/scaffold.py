"""``dabench new method NAME``: a commented, working method file and its test."""

import keyword
import re
from pathlib import Path
from string import Template

from dabench.discovery import discover_methods
from dabench.errors import UserError
from dabench.method import METHODS

__all__ = ["write_method"]

TEMPLATES = Path(__file__).parent / "templates"
IMPORTED = frozenset({"Batch", "Method", "Outputs", "Tensor"})  # names that the template imports


def write_method(kind: str, name: str, folder: Path) -> list[Path]:
    """Write ``methods/<module>.py`` and ``tests/methods/test_<module>.py`` below a folder; return the paths.

    Raises:
        UserError: a name that is taken or is none, a file that exists, a folder without ``methods/``.
    """
    if kind != "method":
        raise UserError(f"cannot make a new '{kind}'", "expected: dabench new method NAME")
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_+][a-z0-9]+)*", name):
        raise UserError(f"'{name}' is no name for a method", "expected lower case, such as my-method")
    module = re.sub(r"[-+]", "_", name)
    if keyword.iskeyword(module):
        raise UserError(f"'{name}' is a word of Python", "choose another name")
    discover_methods()
    if name in METHODS:
        raise UserError(f"method '{name}' exists: {METHODS.origin(name)}", "choose another name")
    if not (folder / "methods").is_dir():
        raise UserError(
            f"{folder.resolve().name}/ has no folder methods/",
            "run it in a checkout of dabench, or give one with --folder; "
            "CONTRIBUTING.md shows how to add a method from a package of your own",
        )
    cls = "".join(part.capitalize() for part in module.split("_"))
    values = {"name": name, "module": module, "cls": f"{cls}Method" if cls in IMPORTED else cls}
    targets = {
        "method.py.txt": folder / "methods" / f"{module}.py",
        "test_method.py.txt": folder / "tests" / "methods" / f"test_{module}.py",
    }
    for target in targets.values():
        if target.exists():
            raise UserError(f"{target} exists", "choose another name, or remove the file")
    for template, target in targets.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(text).substitute(values), encoding="utf-8")
    return list(targets.values())
