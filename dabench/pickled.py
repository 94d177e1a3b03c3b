"""Files of weights in PyTorch's own formats, looked at before they are loaded.

``torch.load(weights_only=True)`` runs no code of the file. It makes whatever arrays of bytes a file asks for,
though, and unpacks what is compressed: a kilobyte may ask for all of the memory.
"""

import pickletools
import zipfile
from pathlib import Path
from typing import IO

__all__ = ["require_tensors_alone"]

LARGEST_PICKLE_BYTES = 64 * 2**20
PICKLES = 4  # at the beginning of the format before PyTorch 1.6; raw storages follow
MARGIN_BYTES = 2**20


def require_tensors_alone(path: Path) -> None:
    """Refuse a file that asks for more memory than its size.

    Raises:
        ValueError: it does, or is no such file.
        OSError: it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(PICKLES):
                _look(file)
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > path.stat().st_size + MARGIN_BYTES:
            raise ValueError("it unpacks to more than its size")
        for member in members:
            if member.filename.endswith("data.pkl"):
                if member.file_size > LARGEST_PICKLE_BYTES:
                    raise ValueError(
                        f"what it holds beside tensors is larger than {LARGEST_PICKLE_BYTES} bytes"
                    )
                with archive.open(member) as file:
                    _look(file)


def _look(file: IO[bytes]) -> None:
    """Go through a pickle without making anything of it."""
    for _, argument, _ in pickletools.genops(file):
        if isinstance(argument, str) and "bytearray" in argument:
            raise ValueError("it asks for arrays of bytes, as no weights do")
