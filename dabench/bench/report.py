"""What was measured: figures of each contender, as JSON and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from dabench.bench.contenders import EVALUATION, FORWARD, PRECISIONS, bare_name
from dabench.bench.planning import BASELINE
from dabench.bench.timing import Contender, Spread, ratio_to, spread

__all__ = ["SCHEMA_VERSION", "Figures", "as_json", "best_bare", "figures", "table"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Figures:
    """What is said of a contender. Spreads are median and quartiles over the rounds.

    Attributes:
        name: of the contender.
        images: of a call.
        calls: in a block.
        images_per_second: spread.
        base: what the ratio is to: the bare backbone at its faster precision; evaluation: the forward pass.
        ratio: speed as a part of the base's, round by round.
        milliseconds: of a call.
        over_bare: milliseconds a step beyond the bare one; None for what takes no training step.
        over_baseline: milliseconds a step beyond that of source_only; None likewise.
        memory_bytes: that it adds at its peak; None where it was not taken.
        seconds_an_image: of each round.
    """

    name: str
    images: int
    calls: int
    images_per_second: Spread
    base: str
    ratio: Spread
    milliseconds: Spread
    over_bare: Spread | None
    over_baseline: Spread | None
    memory_bytes: int | None
    seconds_an_image: tuple[float, ...]


def best_bare(seconds: Mapping[str, NDArray[np.float64]]) -> str:
    """The precision of the bare backbone with the smaller median."""
    names = [bare_name(precision) for precision in PRECISIONS]
    return min(names, key=lambda name: float(np.median(seconds[name])))


def figures(
    contenders: Sequence[Contender],
    calls: Mapping[str, int],
    seconds: Mapping[str, NDArray[np.float64]],
    memory: Mapping[str, int],
    steps: Sequence[str],
) -> list[Figures]:
    """Sum the rounds up.

    Args:
        contenders: all.
        calls: of each in a block.
        seconds: an image, of each round.
        memory: bytes that each adds.
        steps: names of those that take training steps, to which milliseconds over others belong.
    """
    best = best_bare(seconds)

    def summed_up(contender: Contender) -> Figures:
        name, own = contender.name, seconds[contender.name]
        base = FORWARD if name in (EVALUATION, FORWARD) else best

        def over(other: str) -> Spread | None:
            if name not in steps or other not in seconds:
                return None
            return spread((own - seconds[other]) * 1000 * contender.images)

        return Figures(
            name=name,
            images=contender.images,
            calls=calls[name],
            images_per_second=spread(1 / own),
            base=base,
            ratio=spread(ratio_to(seconds[base], own)),
            milliseconds=spread(own * 1000 * contender.images),
            over_bare=over(best),
            over_baseline=over(BASELINE),
            memory_bytes=memory.get(name),
            seconds_an_image=tuple(own.tolist()),
        )

    return [summed_up(contender) for contender in contenders]


def table(rows: Sequence[Figures], title: str) -> Table:
    """The figures as people read them: medians, and the quartiles of the ratio."""
    shown = Table(title=Text(title), title_justify="left")
    shown.add_column("", overflow="fold")
    columns = ("images/s", "of bare", "quartiles", "ms", "- bare", f"- {BASELINE}", "memory, MB")
    for column in columns:
        shown.add_column(column, justify="right")
    for row in rows:
        mark = " *" if row.base == FORWARD else ""
        shown.add_row(
            row.name,
            f"{row.images_per_second.median:.1f}",
            f"{row.ratio.median:.3f}{mark}",
            f"{row.ratio.lower:.3f} to {row.ratio.upper:.3f}",
            f"{row.milliseconds.median:.1f}",
            "" if row.over_bare is None else f"{row.over_bare.median:+.1f}",
            "" if row.over_baseline is None else f"{row.over_baseline.median:+.1f}",
            "" if row.memory_bytes is None else f"{row.memory_bytes / 1e6:.0f}",
        )
    return shown


def as_json(rows: Sequence[Figures]) -> list[dict[str, Any]]:
    """The figures as plain data."""
    return [asdict(row) for row in rows]
