"""How quantities of a run look on its page."""

__all__ = ["memory"]

UNITS = ("B", "kB", "MB", "GB", "TB")


def memory(size: int) -> str:
    """Bytes for people, in powers of a thousand.

    >>> memory(512), memory(1_026_048_000)
    ('512 B', '1.03 GB')
    """
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {UNITS[unit]}" if unit else f"{size} B"
