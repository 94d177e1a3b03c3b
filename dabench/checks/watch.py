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

Kind = Literal["write", "read", "look", "program", "connection", "interior"]
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
        kind: write and read a file; look into a folder; start a program; open a connection; interior: ask the
            interpreter for stack frames or for all objects.
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
    """

    def __init__(self, files: Iterable[Path], home: Path) -> None:
        self._files: set[Path] = set()
        self._folders: set[Path] = set()
        self._home = home.resolve()
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
        if frame is None:
            return
        first = arguments[0] if arguments else ""
        if event == "open" and _writes(arguments):
            kind = "write"
        if kind == "interior":
            if any(Path(name).stem not in WALKERS for name in above):
                return  # a library's own business
            what = event
        elif kind in ("program", "connection"):
            what = f"{event} {first}"[:120]
        elif isinstance(first, str | bytes | os.PathLike):
            what = self._shown(os.fsdecode(first), kind)
        else:  # a file that is open already, by its number
            what = ""
        # A library that is being imported may look at the machine, and keep a cache of its own.
        importing = any(name.startswith("<frozen importlib") for name in above)
        if what and (kind in ("read", "interior") or not importing):
            code = frame.f_code
            where = f"{Path(code.co_filename).name}, line {frame.f_lineno}, in {code.co_name}"
            self.events.setdefault(Event(kind=kind, what=what, where=where))

    def _shown(self, path: str, kind: Kind) -> str:
        """A path as reports name it: relative to the process's folder, or to ~; a library's is empty."""
        whole = Path(os.path.abspath(path)).resolve()
        if whole.is_relative_to(self._home):
            return str(whole.relative_to(self._home))
        if whole.is_relative_to(Path.home()):
            return f"~/{whole.relative_to(Path.home())}"
        if str(whole) == os.devnull or (kind != "write" and _is_library(str(whole))):
            return ""
        return str(whole)


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
    return path.startswith(_library_folders()) or path.endswith((".py", ".pyc", ".so"))


def left_behind(folder: Path, besides: Iterable[str]) -> list[str]:
    """Files below a folder, but for some of its subfolders: written by something that no event told of."""
    skipped = set(besides)
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in skipped
    )
