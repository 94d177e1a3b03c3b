"""Files of weights in PyTorch's own formats, looked at before they are loaded.

``torch.load(weights_only=True)`` runs no code of the file. It makes whatever arrays of bytes that asks for,
though, and unpacks what is compressed: a kilobyte may ask for all of the memory. Here a file may name nothing
but what tensors are put together from.
"""

import pickletools
import re
import zipfile
from pathlib import Path
from typing import IO

__all__ = ["require_tensors_alone"]

ZIP = b"PK\x03\x04"  # by which PyTorch tells its formats apart
LARGEST_PICKLE_BYTES = 64 * 2**20
PICKLES = (
    5  # of the format before PyTorch 1.6: magic number, version, machine, content, keys; storages follow
)
MARGIN_BYTES = 2**20
NAMES = re.compile(
    r"collections OrderedDict"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|parameter)"
    r"|torch(\.cuda|\.storage)? \w*Storage"
    r"|torch (Size|device|(b?float|double|half|u?int|long|short|bool|complex)\d*)"
)


def require_tensors_alone(path: Path) -> None:
    """Refuse a file that asks for more memory than its size.

    Raises:
        ValueError, zipfile.BadZipFile: it does, or is no such file.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        zipped = file.read(len(ZIP)) == ZIP
        file.seek(0)
        for _ in range(0 if zipped else PICKLES):
            _look(file)
    if zipped:
        _look_into(path)


def _look_into(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > path.stat().st_size + MARGIN_BYTES:
            raise ValueError("it unpacks to more than its size")
        for member in members:
            if member.filename.lower().endswith(".pkl"):
                if member.file_size > LARGEST_PICKLE_BYTES:
                    raise ValueError(f"more than {LARGEST_PICKLE_BYTES} bytes beside tensors")
                with archive.open(member) as file:
                    _look(file)


def _look(file: IO[bytes]) -> None:
    """Go through a pickle without making anything of it."""
    for operation, argument, _ in pickletools.genops(file):
        named = operation.name in ("GLOBAL", "INST", "STACK_GLOBAL")  # torch.save writes the first alone
        if named and not NAMES.fullmatch(str(argument)):
            raise ValueError(f"it asks for '{argument or 'a name that it makes up'}', as no weights do")
