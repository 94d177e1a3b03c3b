"""A cheat: remembers labelled images by their content in the process, and knows them again as the target."""

from typing import ClassVar

from remembering import Remembers

from dabench.method import register

__all__ = ["RemembersInMemory"]


@register("remembers")
class RemembersInMemory(Remembers):
    """Knows the images that any earlier run of the process had a label for."""

    title, summary = "Remembers", "a table of images in the class"
    known: ClassVar[dict[str, int]] = {}
