"""What was measured: figures of each contender, as JSON and as tables."""

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

__all__ = ["SCHEMA_VERSION", "Figures", "as_json", "best_bare", "figures", "multiples", "table"]

SCHEMA_VERSION = 1
COMPARED = (BASELINE, "dann")
"""Methods of whose step time the others' is given as a multiple, where they are timed."""

Seconds = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Figures:
    """What is said of a contender. Spreads are median and quartiles over the rounds.

    Work between epochs has only the time of a call: speed and ratios are in the row of its method, which
    counts both, round by round.

    Attributes:
        name: of the contender.
        images: of a call; for work between epochs, those of the epoch that pay for it.
        calls: in a block.
        includes: name of the work between epochs that counts in this row, if any.
        images_per_second: spread.
        base: what the ratio is to: the bare backbone at its faster precision; evaluation: the forward pass.
        ratio: speed as a part of the base's, round by round.
        milliseconds: of a call.
        over_bare: milliseconds a step beyond the bare one; None for what takes no training step.
        over_baseline: milliseconds a step beyond that of source_only; None likewise.
        times: step time as a multiple of that of the method named, round by round; empty for all but methods.
        memory_bytes: that it adds at its peak; None where the system does not tell.
        seconds_an_image: of each round.
    """

    name: str
    images: int
    calls: int
    includes: str | None
    images_per_second: Spread | None
    base: str | None
    ratio: Spread | None
    milliseconds: Spread
    over_bare: Spread | None
    over_baseline: Spread | None
    times: dict[str, Spread]
    memory_bytes: int | None
    seconds_an_image: tuple[float, ...]


def best_bare(seconds: Seconds) -> str:
    """The precision of the bare backbone with the smaller median."""
    names = [bare_name(precision) for precision in PRECISIONS]
    return min(names, key=lambda name: float(np.median(seconds[name])))


def figures(
    contenders: Sequence[Contender],
    calls: Mapping[str, int],
    seconds: Seconds,
    memory: Mapping[str, int | None],
    methods: Sequence[str],
) -> list[Figures]:
    """Sum the rounds up.

    Args:
        contenders: all.
        calls: of each in a block.
        seconds: an image, of each round.
        memory: bytes that each adds.
        methods: names of those that take training steps of a method.
    """
    parts = {one.part_of: one.name for one in contenders if one.part_of is not None}
    whole = {name: own + seconds[parts[name]] if name in parts else own for name, own in seconds.items()}
    best = best_bare(seconds)

    def summed_up(contender: Contender) -> Figures:
        name, own, apart = contender.name, whole[contender.name], contender.part_of is not None
        base = FORWARD if name in (EVALUATION, FORWARD) else best
        trains = name in methods or name in map(bare_name, PRECISIONS)

        def over(other: str) -> Spread | None:
            if not trains or other not in whole:
                return None
            return spread((own - whole[other]) * 1000 * contender.images)

        return Figures(
            name=name,
            images=contender.images,
            calls=calls[name],
            includes=parts.get(name),
            images_per_second=None if apart else spread(1 / own),
            base=None if apart else base,
            ratio=None if apart else spread(ratio_to(whole[base], own)),
            milliseconds=spread(own * 1000 * contender.images),
            over_bare=over(best),
            over_baseline=over(BASELINE),
            times={
                other: spread(own / whole[other])
                for other in COMPARED
                if name in methods and other in methods
            },
            memory_bytes=memory.get(name),
            seconds_an_image=tuple(own.tolist()),
        )

    return [summed_up(contender) for contender in contenders]


def table(rows: Sequence[Figures], title: str) -> Table:
    """The figures as people read them: medians, and the quartiles of the ratio."""
    shown = _table(title, "images/s", "of bare", "quartiles", "ms", "- bare", f"- {BASELINE}", "memory, MB")
    for row in rows:
        mark = " *" if row.base == FORWARD else ""
        shown.add_row(
            row.name,
            _median(row.images_per_second, ".1f"),
            _median(row.ratio, ".3f") + mark,
            _quartiles(row.ratio),
            _median(row.milliseconds, ".1f"),
            _median(row.over_bare, "+.1f"),
            _median(row.over_baseline, "+.1f"),
            "" if row.memory_bytes is None else f"{row.memory_bytes / 1e6:.0f}",
        )
    return shown


def multiples(rows: Sequence[Figures]) -> Table:
    """Step times of the methods as multiples of those that all are compared with."""
    methods = [row for row in rows if row.times]
    others = list(methods[0].times)
    columns = [column for other in others for column in (f"times {other}", "quartiles")]
    shown = _table("step times", *columns)
    for row in methods:
        pairs = [(_median(row.times[other], ".3f"), _quartiles(row.times[other])) for other in others]
        shown.add_row(row.name, *(cell for pair in pairs for cell in pair))
    return shown


def as_json(rows: Sequence[Figures]) -> list[dict[str, Any]]:
    """The figures as plain data."""
    return [asdict(row) for row in rows]


def _table(title: str, *columns: str) -> Table:
    shown = Table(title=Text(title), title_justify="left")
    shown.add_column("", overflow="fold")
    for column in columns:
        shown.add_column(column, justify="right")
    return shown


def _median(values: Spread | None, form: str) -> str:
    return "" if values is None else format(values.median, form)


def _quartiles(values: Spread | None) -> str:
    return "" if values is None else f"{values.lower:.3f} to {values.upper:.3f}"
