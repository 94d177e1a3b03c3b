"""How the hyperparameters of a row were chosen, by what its runs say of where each value came from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dabench.leaderboard.runs import Run
from dabench.recipe import LOOKED_AT_TARGET, ON_TARGET_LABELS, SEARCHED, TRIAL, says

__all__ = ["HYPERPARAMETERS", "Origins", "looked_note", "origins"]

HYPERPARAMETERS = f"hyperparameters {ON_TARGET_LABELS}"


@dataclass(frozen=True)
class Origins:
    """What the provenance of a row's runs says.

    Attributes:
        on_target_labels: a search chose a value on target labels.
        tuned: the searches that values come from, such as "best of 20 trials by infomax".
        trial: a search tried a value: whoever ranks trials by target accuracy chooses on target labels.
        looked: paths of values that a recipe says were chosen by looking at target accuracy.
    """

    on_target_labels: bool = False
    tuned: tuple[str, ...] = ()
    trial: bool = False
    looked: frozenset[str] = frozenset()


def origins(runs: Iterable[Run]) -> Origins:
    """Read the runs of a row, those that are not counted too: their values are the row's values."""
    said = set[tuple[str, str]]().union(*(run.record.provenance.items() for run in runs))
    told = {(path, " ".join(source.split())) for path, source in said}  # recipes break lines anywhere
    searches = (SEARCHED.search(source) for _, source in told)
    return Origins(
        any(says(source, ON_TARGET_LABELS) for _, source in told),
        tuple(sorted({f"best of {one['trials']} by {one['rule']}" for one in searches if one})),
        any(source == TRIAL for _, source in told),
        frozenset(path for path, source in told if says(source, LOOKED_AT_TARGET)),
    )


def looked_note(paths: Iterable[str], shared: Sequence[str] = ()) -> str:
    """Say which values were chosen by looking at target accuracy, besides those that all rows share."""
    left = sorted(set(paths) - set(shared))
    if not left:
        return ""
    return f"{'also' if shared else 'recipe'} chosen by {LOOKED_AT_TARGET}: {', '.join(left)}"
