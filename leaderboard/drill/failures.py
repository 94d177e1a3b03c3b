"""Why a run failed, without the paths of the machine that it failed on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dabench.records import Failure

__all__ = ["Frame", "frames"]

FRAME = re.compile(
    r'^ *File "(?P<file>[^"\n]*)", line (?P<line>\d+), in (?P<name>.*)$(?:\n {3,}(?P<code>\S.*)$)?',
    re.MULTILINE,
)
LAST_FRAMES = 6
LONGEST_TRACEBACK = 100_000  # a record may be anybody's


@dataclass(frozen=True)
class Frame:
    """One call: file without its folders, line, function, and the line's code where it was kept."""

    file: str
    line: str
    name: str
    code: str


def frames(failure: Failure) -> Sequence[Frame]:
    """The last calls before the error, oldest first; none where the traceback is no Python traceback."""
    found = FRAME.finditer(failure.traceback[-LONGEST_TRACEBACK:])
    calls = [
        Frame(re.split(r"[/\\]", one["file"])[-1], one["line"], one["name"], (one["code"] or "").strip())
        for one in found
    ]
    return calls[-LAST_FRAMES:]
