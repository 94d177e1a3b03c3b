"""YAML of strangers: plain data, no code, and nothing that grows when it is read.

PyYAML's safe loader makes plain Python objects only. Beyond that, sizes are limited here: of the file, of
nesting, of numbers, and of everything when aliases (``*name``) are written out: a few lines of them may stand
for billions of values.
"""

from pathlib import Path
from typing import Any

import yaml

from dabench.limited import read_limited

__all__ = ["parse_yaml", "read_yaml"]

LARGEST_BYTES = 2**20
DEEPEST = 32  # dabench's own formats need seven levels
MOST_VALUES = 200_000  # more than a file without aliases can hold
TOO_DEEP = f"nested more than {DEEPEST} levels deep"
LONGEST_NUMBER = 100  # characters of what is not text: numbers, dates, true and false


class _Loader(yaml.SafeLoader):
    """The safe loader within the limits above."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open = 0
        self._written_out: dict[int, tuple[int, int]] = {}  # of a node's id: values and levels

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        where = self._line()
        if self._open == DEEPEST:
            raise ValueError(f"{where}: {TOO_DEEP}")
        alias = self.check_event(yaml.AliasEvent)
        self._open += 1
        node = super().compose_node(parent, index)
        self._open -= 1
        if node is None or alias:
            if id(node) not in self._written_out:
                raise ValueError(f"{where}: a value that holds itself")
        else:
            self._written_out[id(node)] = self._measure(node, where)
        return node

    def _measure(self, node: yaml.Node, where: str) -> tuple[int, int]:
        """Values in a node and levels of it, aliases written out. What is inside has been measured before."""
        inside = list(node.value) if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            inside = [part for pair in inside for part in pair]
        sizes = [self._written_out[id(part)] for part in inside]
        values, levels = 1 + sum(size[0] for size in sizes), 1 + max((size[1] for size in sizes), default=0)
        if values > MOST_VALUES:
            raise ValueError(f"{where}: more than {MOST_VALUES} values with all aliases written out")
        if levels > DEEPEST:
            raise ValueError(f"{where}: {TOO_DEEP}")
        return values, levels

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        where = self._line()
        node = super().compose_scalar_node(anchor)
        if node.tag != "tag:yaml.org,2002:str" and len(node.value) > LONGEST_NUMBER:
            raise ValueError(f"{where}: a value of {len(node.value)} characters that is no text")
        node.value.encode()  # half a surrogate pair is no character: UnicodeEncodeError
        return node

    def _line(self) -> str:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        return f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"


def parse_yaml(text: str) -> Any:
    """Return what a YAML text says.

    Raises:
        ValueError: no YAML, or beyond the limits; the message has one line.

    >>> parse_yaml("steps: [1, 2]")
    {'steps': [1, 2]}
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except Exception as error:  # PyYAML answers "!!bool maybe" with a KeyError, and so on
        plain = isinstance(error, (ValueError, yaml.YAMLError))
        words = " ".join(str(error).split())
        raise ValueError(words if plain else f"a value does not fit its tag ({words})") from error


def read_yaml(path: Path) -> Any:
    """Return what a YAML file says.

    Raises:
        OSError: no such file, or it is larger than 1 MiB.
        ValueError: no YAML in UTF-8, or beyond the limits.
    """
    return parse_yaml(read_limited(path, LARGEST_BYTES).decode("utf-8"))
