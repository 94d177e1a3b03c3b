"""See which files, programs and connections code of a method asks for, through Python's audit events.

What counts is that a frame of the author's own files is on the stack: the file that defines the method, the
files beside it, or its package. An audit hook cannot be removed, so this belongs into a process of its own.
It sees what Python does; what C++ code does by itself (torch.save, OpenCV) shows in the folders alone.
"""

import os
import sys
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Event", "Kind", "Watch", "left_behind"]

Kind = Literal["write", "scratch", "read", "look", "program", "connection", "interior", "engine"]
WRITES = frozenset({
    "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "sqlite3.connect", "tempfile.mkstemp", "tempfile.mkdtemp",
})  # fmt: skip
LOOKS = frozenset({"os.listdir", "os.scandir", "os.walk", "os.fwalk", "glob.glob", "glob.glob/2"})
PROGRAMS = frozenset({
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
    "pty.spawn",
})  # fmt: skip
CONNECTIONS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})
INTERIOR = frozenset({
    "gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._getframe", "sys._current_frames",
    "sys.settrace", "sys.setprofile",
})  # fmt: skip
# Where the paths stand that an event tells of, and the open folder that each is relative to, if any.
PLACES: dict[str, tuple[tuple[int, int], ...]] = {
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
}
FIRST = ((0, 99),)
EVENTS: dict[str, Kind] = {
    **dict.fromkeys(WRITES, "write"),
    **dict.fromkeys(LOOKS, "look"),
    **dict.fromkeys(PROGRAMS, "program"),
    **dict.fromkeys(CONNECTIONS, "connection"),
    **dict.fromkeys(INTERIOR, "interior"),
    "open": "read",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
WALKERS = frozenset({"inspect", "traceback"})  # modules through which one looks at frames
DABENCH = Path(__file__).resolve().parents[1]


class Event(BaseModel):
    """What a method's code did.

    Attributes:
        kind: write and read a file; scratch: write one below the temporary folder, and remove it again; look
            into a folder; start a program; open a connection; interior: ask the interpreter for stack frames
            or for all objects; engine: replace a part of dabench.
        what: the path, or what was asked for.
        where: file, line and function of the author's code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    what: str
    where: str


class Watch:
    """Collects events, each once, while it is on.

    Args:
        files: the author's own files; those of the same folder and their packages count as the author's.
        home: the folder that the process works in: what lies in it is the run's.
        temporary: the process's temporary folder.

    Attributes:
        imports: what libraries wrote while they were imported.
    """

    def __init__(self, files: Iterable[Path], home: Path, temporary: Path) -> None:
        self._files: set[Path] = set()
        self._folders: set[Path] = set()
        self._home = home.resolve()
        self._temporary = temporary.resolve()
        self.imports: set[str] = set()
        self.events: dict[Event, None] = {}
        self._busy = False
        self.own = lru_cache(maxsize=None)(self._is_own)
        self.add(files)

    def add(self, files: Iterable[Path]) -> None:
        """Count further files as the author's."""
        for file in files:
            self._files.add(file.resolve())
            folder = file.resolve().parent
            while _is_package(folder.parent):  # the author's whole package
                folder = folder.parent
            if folder not in (DABENCH, *(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))):
                self._folders.add(folder)
        self.own.cache_clear()

    def install(self) -> None:
        """Listen until the process ends."""
        sys.addaudithook(self._hear)

    def _is_own(self, name: str) -> bool:
        path = Path(name).resolve()
        return path in self._files or any(
            path.parent == folder or (_is_package(folder) and path.is_relative_to(folder))
            for folder in self._folders
        )

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        kind = EVENTS.get(event)
        if kind is None or self._busy:
            return
        self._busy = True
        try:
            self._note(event, kind, arguments, sys._getframe(1))
        finally:
            self._busy = False

    def _note(self, event: str, kind: Kind, arguments: tuple[Any, ...], frame: FrameType | None) -> None:
        above: list[str] = []  # files of the frames between the event and the author's code
        while frame is not None and not self.own(frame.f_code.co_filename):
            above.append(frame.f_code.co_filename)
            frame = frame.f_back
        # A library that is being imported may look at the machine, and keep a cache of its own.
        importing = any(name.startswith("<frozen importlib") for name in above)
        if event == "open" and _writes(arguments):
            kind = "write"
        if importing and kind == "write":
            self.imports.update(self._whats(event, kind, arguments))
        if frame is None or (importing and kind not in ("read", "interior")):
            return
        if kind == "interior" and any(Path(name).stem not in WALKERS for name in above):
            return  # a library's own business
        code = frame.f_code
        where = f"{Path(code.co_filename).name}, line {frame.f_lineno}, in {code.co_name}"
        for what in filter(None, self._whats(event, kind, arguments)):
            self.events.setdefault(Event(kind=kind, what=what, where=where))

    def _whats(self, event: str, kind: Kind, arguments: tuple[Any, ...]) -> list[str]:
        """What an event is about; empty where it is nobody's concern."""
        first = arguments[0] if arguments else ""
        if kind == "interior":
            return [event]
        if kind in ("program", "connection"):
            return [f"{event} {first}"[:120]]
        found = []
        for place, relative in PLACES.get(event, FIRST):
            path = arguments[place] if place < len(arguments) else None
            if isinstance(path, str | bytes | os.PathLike):  # else a file that is open already, by its number
                folder = arguments[relative] if relative < len(arguments) else -1
                found.append(self.shown(_within(folder, os.fsdecode(path)), kind))
        return found

    def shown(self, path: str, kind: Kind = "write") -> str:
        """A path as reports name it: relative to the process's folder, to $TMPDIR or ~.

        Empty for what is a library's, and for what reads of no concern: of the temporary folder, of places
        that modules are looked for in.
        """
        if not path:
            return ""
        whole = Path(os.path.abspath(path)).resolve()
        reads = kind != "write"
        if reads and not os.path.isabs(path) and not whole.exists():  # sys.path has names that are no paths
            return ""
        if whole.is_relative_to(self._home):
            return str(whole.relative_to(self._home))
        if whole.is_relative_to(self._temporary):
            return "" if reads else f"$TMPDIR/{whole.relative_to(self._temporary)}"
        if reads and (path in sys.path or _is_library(str(whole))):
            return ""
        if whole.is_relative_to(Path.home()):
            return f"~/{whole.relative_to(Path.home())}"
        return "" if str(whole) == os.devnull else str(whole)

    def settled(self, events: Iterable[Event]) -> list[Event]:
        """Events, now that nothing more is to come: what is gone of the temporary folder was scratch."""
        return [
            event.model_copy(update={"kind": "scratch"})
            if event.kind == "write" and self._is_gone(event.what)
            else event
            for event in events
        ]

    def _is_gone(self, what: str) -> bool:
        name = what.removeprefix("$TMPDIR/")
        return name != what and not (self._temporary / name).exists()


def _within(folder: Any, path: str) -> str:
    """A path that is relative to an open folder; empty where that cannot be found out."""
    if not isinstance(folder, int) or folder < 0 or os.path.isabs(path):
        return path
    try:
        return str(Path(os.readlink(f"/proc/self/fd/{folder}")) / path)
    except OSError:
        return ""


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").exists()


def _writes(arguments: tuple[Any, ...]) -> bool:
    """Whether an "open" event is of writing: by its mode, or by the flags of os.open."""
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return bool(isinstance(flags, int) and flags & WRITING)


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(name) for name in names} | {sys.prefix, sys.base_prefix}
    folders |= {"/proc", "/sys", "/dev", "/etc", "/usr/lib", "/usr/share"}
    return tuple(f"{folder.rstrip('/')}/" for folder in folders if folder and folder.rstrip("/"))


def _is_library(path: str) -> bool:
    """Whether a path is of Python, an installed package or the system: reading it says nothing of images."""
    described = Path(path).parent.suffix in (".egg-info", ".dist-info")  # of a package, wherever it lies
    return described or path.startswith(_library_folders()) or path.endswith((".py", ".pyc", ".so"))


def left_behind(folder: Path, besides: Iterable[str] = ()) -> list[Path]:
    """Files below a folder, but for some of its subfolders: written by something that no event told of."""
    skipped = set(besides)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in skipped
    )
