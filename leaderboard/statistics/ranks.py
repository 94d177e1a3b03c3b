"""What an order of rows is worth: rank intervals, letters of rows that are not told apart, the best group."""

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["best_group", "competition_ranks", "letters", "rank_intervals"]

Relation = NDArray[np.bool_]


def _relation(better: ArrayLike) -> Relation:
    array = np.asarray(better, dtype=bool)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"the relation must be square, not of shape {array.shape}")
    if (array & array.T).any():
        raise ValueError("two rows cannot each be better than the other")
    return array


def rank_intervals(better: ArrayLike) -> list[tuple[int, int]]:
    """Rank interval of each of K rows: 1 + rows significantly better to K - rows significantly worse.

    If no claim of ``better`` is false, every interval holds the row's true rank; so their joint coverage is
    that of the claims. Mogstad, Romano, Shaikh & Wilhelm, Review of Economic Studies 91, 2024, section 3.

    Args:
        better: (K, K), entry (i, j) says that row i is significantly better than row j.

    Raises:
        ValueError: no square, or a row both better and worse than another.

    >>> rank_intervals([[0, 0, 1], [0, 0, 0], [0, 0, 0]])
    [(1, 2), (1, 3), (2, 3)]
    """
    relation = _relation(better)
    count = len(relation)
    above, below = relation.sum(axis=0), relation.sum(axis=1)
    return [(1 + int(a), count - int(b)) for a, b in zip(above, below, strict=True)]


def best_group(better: ArrayLike) -> list[bool]:
    """Whether no row is significantly better, for each of K rows; ``better`` as in ``rank_intervals``."""
    return [not above for above in np.atleast_1d(_relation(better).any(axis=0))]


def competition_ranks(means: Sequence[float], rounding: float = 0.0) -> list[int]:
    """Rank of each mean, the highest first; within ``rounding`` of the first of its group a mean is a tie.

    >>> competition_ranks([0.5, 0.7, 0.7, 0.1])
    [3, 1, 1, 4]
    """
    ranks = [0] * len(means)
    rank, previous = 0, float("inf")
    for place, index in enumerate(sorted(range(len(means)), key=lambda k: -means[k]), start=1):
        if previous - means[index] > rounding:
            rank, previous = place, means[index]
        ranks[index] = rank
    return ranks


def letters(different: ArrayLike) -> list[str]:
    """Compact letter display: two rows share a letter exactly where they are not told apart.

    Insert and absorb: start with one letter for all; each pair that differs splits the letters that both
    carry; a letter whose rows another letter covers is dropped, and at the end (or where letters grow many)
    each letter that other letters make needless. Piepho, Journal of Computational and Graphical Statistics
    13, 2004, section 3.

    Args:
        different: (K, K) symmetric; rows in the order that the letters shall follow, best first.

    Returns:
        K texts, such as "a", "ab", "b"; from the 27th letter on "aa", "ab", parted by commas.

    Raises:
        ValueError: no symmetric square, or a row that differs from itself.

    >>> letters([[0, 0, 1], [0, 0, 0], [1, 0, 0]])
    ['a', 'ab', 'b']
    """
    relation = np.asarray(different, dtype=bool)
    if relation.ndim != 2 or not np.array_equal(relation, relation.T) or relation.diagonal().any():
        raise ValueError("the relation must be square, symmetric, and without a row that differs from itself")
    count = len(relation)
    columns = [frozenset(range(count))]
    for first, second in np.argwhere(np.triu(relation)).tolist():
        split = [column for column in columns if {first, second} <= column]
        parts = [column - {one} for column in split for one in (first, second)]
        columns = _absorbed([column for column in columns if not {first, second} <= column], parts)
        if len(columns) > 2 * count:  # without this, unlucky relations double them with every pair
            columns = _swept(columns, count)
    ordered = sorted(_swept(columns, count), key=sorted)
    names = [_name(place) for place in range(len(ordered))]
    glue = "," if len(names) > len(ascii_lowercase) else ""
    return [
        glue.join(name for name, column in zip(names, ordered, strict=True) if row in column)
        for row in range(count)
    ]


def _absorbed(kept: Sequence[frozenset[int]], parts: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """The kept columns, and those new parts that no other column covers."""
    new = list(dict.fromkeys(parts))
    return [
        *kept,
        *(part for part in new if not any(part <= other for other in kept)
          and not any(part < other for other in new)),
    ]  # fmt: skip


def _swept(columns: Sequence[frozenset[int]], count: int) -> list[frozenset[int]]:
    """Drop columns all of whose pairs (and single rows) stand in others too; the smallest go first."""
    members = {column: np.ix_(sorted(column), sorted(column)) for column in columns}
    together = np.zeros((count, count), dtype=int)
    for block in members.values():
        together[block] += 1
    kept = list(columns)
    for column in sorted(columns, key=lambda one: (len(one), [-row for row in sorted(one)])):
        if (together[members[column]] > 1).all():
            together[members[column]] -= 1
            kept.remove(column)
    return kept


def _name(place: int) -> str:
    """The place-th letter: a to z, then aa, ab and so on."""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, len(ascii_lowercase))
        name = ascii_lowercase[rest] + name
    return name
