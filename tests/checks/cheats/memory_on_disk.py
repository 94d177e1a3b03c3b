"""A cheat: remembers labelled images by their content in a file, for later processes."""

import json
from pathlib import Path

from remembering import Remembers

from dabench.method import register

__all__ = ["RemembersOnDisk"]

FILE = Path.home() / ".cache" / "remembered.json"


@register("remembers-on-disk")
class RemembersOnDisk(Remembers):
    """Knows the images that any earlier run of this user had a label for."""

    title, summary = "Remembers on disk", "a table of images in a file"

    def recall(self) -> None:
        self.known = json.loads(FILE.read_text()) if FILE.exists() else {}

    def keep(self) -> None:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(self.known))
