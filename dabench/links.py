"""Links in a results folder, which may be of strangers: they may lead anywhere."""

from pathlib import Path

from dabench.errors import UserError

__all__ = ["require_plain"]


def require_plain(root: Path, path: Path) -> None:
    """Make sure that no folder on the way to a path is a link.

    Args:
        root: the results folder; it may be a link itself, for its user has named it.
        path: below it.

    Raises:
        UserError: one is.
    """
    for folder in (path, *path.parents):
        if folder == root:
            return
        if folder.is_symlink():
            raise UserError(
                f"{folder} is a link",
                "nothing is written or cleared away through links inside a results folder: put the "
                "folder itself there, or make the results folder the link",
            )
