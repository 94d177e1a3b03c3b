"""How ``dabench stats`` prints: plain sentences, then a small table."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from dabench.leaderboard.rows import Row
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.standing_notes import row_name
from dabench.leaderboard.standings import Comparison
from dabench.leaderboard.statistics.comparison_study import GAPS, TESTS, Outcome
from dabench.leaderboard.statistics.coverage import HIGH, LOW, Coverage, coverage_rows, keeps_promise
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.statistics.pairs import NO_SPREAD
from dabench.leaderboard.summary import say
from dabench.leaderboard.versus import TaskVersus, Versus
from dabench.leaderboard.view import half_width, metric_name, percent, points, step_words
from dabench.terminal import visible

__all__ = ["answer", "print_coverage", "print_study", "print_versus"]

DASH = "–"
SMALLEST_P = 0.0001


def print_versus(console: Console, found: Versus, settings: Settings) -> None:
    """The answer in sentences, then a line a task."""
    table = found.reading.table
    head = (
        f"{table.suite} · {table.backbone} · {table.protocol} · {metric_name(table.metric)}, "
        f"{step_words(table.rules)}"
    )
    only = f"Not the whole suite, only what every row has run: {', '.join(table.tasks)}."
    about = [head, only] if found.reading.way.common else [head]
    for sentence in (*about, *answer(found, settings)):
        say(console, sentence)
    console.print(_tasks(found))
    said = dict.fromkeys(reason for task in found.tasks for reason in task.missing)
    for reason in said:
        say(console, f"Not compared image by image: {reason}.")


def answer(found: Versus, settings: Settings) -> list[str]:
    """Is left better than right, and how sure is that: plain sentences."""
    left, right = row_name(found.left), row_name(found.right)
    pair = found.comparison
    if pair is None:
        lacking = [row_name(row) for row in (found.left, found.right) if row.average is None]
        return [f"No answer: no average over these tasks for {' and '.join(lacking)}."]
    why = [
        f"{name} is not ranked: {reason}."
        for row, name in ((found.left, left), (found.right, right))
        if (reason := _no_right(row))
    ]
    sentences = [
        *why,
        _verdict(pair, left, right, settings, bool(why)),
        *_how(found, pair, left, right, settings),
    ]
    places = found.reading.standings.rows
    ranks = []
    for row, name in ((found.left, left), (found.right, right)):
        place = places.get(row.group.key)
        ranks.append(f"{name} {place.low} to {place.high}" if place else f"{name} is not ranked")
    sentences.append(f"Rank intervals among {len(places)} ranked rows: {', '.join(ranks)}.")
    if pair.improvement is not None and pair.improvement.value is not None:
        one = pair.improvement
        between = (
            f" ({100 * settings.ci.level:g} % interval {one.low:.2f} to {one.high:.2f})"
            if one.low is not None and one.high is not None
            else ""
        )
        sentences.append(
            f"A run of {left} beats a run of {right} on the same task with probability "
            f"{one.value:.2f}{between}."
        )
    sentences.extend(_needed(pair, left, right))
    return sentences


def _no_right(row: Row) -> str:
    """Why a row takes no place; empty for a ranked one."""
    if row.upper_bound:
        return "upper bound, trained on target labels"
    if row.chosen:
        return row.chosen
    if row.origins.trial:
        return "a trial of a search"
    if row.unavailable:
        return "its selection rule is not available for all runs"
    few = row.average is not None and row.average.n < row.min_seeds
    return f"fewer than {row.min_seeds} seeds" if few else ""


def _verdict(pair: Comparison, left: str, right: str, settings: Settings, unranked: bool) -> str:
    if pair.test == NO_SPREAD:
        return f"No answer: all seeds of {left} and {right} give the same difference, so there is no test."
    if pair.p is None:
        return f"No answer: {left} and {right} have too few seeds for a test."
    better, worse = (left, right) if pair.interval.mean > 0 else (right, left)
    word = "Yes" if pair.interval.mean > 0 else "No"
    error = 1 - settings.ci.level
    if unranked and pair.p < error:
        return f"Alone, {better} is told apart from {worse}, and better; that is no claim of the table."
    if pair.resolved or (pair.adjusted is None and pair.p < error):
        return f"{word}: {better} is better than {worse} here."
    if pair.p < error:
        return (
            f"Perhaps: alone, {better} is told apart from {worse}; "
            "as one of this table's many pairs it is not."
        )
    return f"Not told apart: these seeds do not say whether {left} or {right} is better."


def _how(found: Versus, pair: Comparison, left: str, right: str, settings: Settings) -> list[str]:
    averages = [
        f"{name} {percent(row.average.mean)} {half_width(row.average)} (n={row.average.n})"
        for row, name in ((found.left, left), (found.right, right))
        if row.average is not None
    ]
    sentences = [f"Averages in percent: {', '.join(averages)}."]
    between = ""
    if pair.interval.low is not None and pair.interval.high is not None:
        level = f"{100 * settings.ci.level:g} %"
        between = f", {level} interval {points(pair.interval.low)} to {points(pair.interval.high)}"
    sentences.append(f"{left} minus {right}: {points(pair.interval.mean)} points{between}.")
    if pair.p is not None:
        corrected = "; not ranked together, so not corrected"
        if pair.adjusted is not None:
            corrected = f"; {_p(pair.adjusted)} after Holm's correction over {found.family} pairs"
        sentences.append(f"Test: {pair.test}, {_p(pair.p)}{corrected}.")
    if found.alone is not None and found.alone.p is not None:
        sentences.append(
            f"By itself, without the other rows' variances: {half_width(found.alone.interval)}, "
            f"{_p(found.alone.p)} ({found.alone.test})."
        )
    return sentences


def _needed(pair: Comparison, left: str, right: str) -> list[str]:
    more = pair.more_seeds
    if more is None:
        return []
    corrected = "" if pair.adjusted is None else " after Holm's correction"
    seeds = f"{more} more seed{'s' if more > 1 else ''}"
    return [
        f"If the true difference is as large, run {seeds} of {left} and {right} "
        f"({pair.seeds_needed} each) to find it with power 0.8{corrected}."
    ]


def _p(value: float) -> str:
    return f"p {'' if value < SMALLEST_P else '= '}{_number(value)}"


def _number(p: float) -> str:
    return f"< {SMALLEST_P}" if p < SMALLEST_P else f"{p:.2g}"


def _tasks(found: Versus) -> RichTable:
    left, right = row_name(found.left), row_name(found.right)
    shown = RichTable(
        box=box.SIMPLE_HEAD, title="By task, percent; p of each task is not corrected", title_justify="left"
    )
    for head in ("task", left, right, "difference", "p", "over images", "McNemar p by seed"):
        shown.add_column(
            Text(visible(head)), justify="left" if head in ("task", "McNemar p by seed") else "right"
        )
    for task in found.tasks:
        shown.add_row(*(Text(visible(cell)) for cell in _line(task)))
    return shown


def _line(task: TaskVersus) -> tuple[str, ...]:
    difference = p = over = DASH
    if task.difference is not None:
        difference = f"{points(task.difference.interval.mean)} {half_width(task.difference.interval)}".strip()
        p = DASH if task.difference.p is None else _number(task.difference.p)
    if task.over_images is not None:
        over = f"{points(task.over_images.low or 0.0)} to {points(task.over_images.high or 0.0)}"
    tests = ", ".join(f"{one.seed}: {_number(one.p)}" for one in task.images) or DASH
    return task.task, _value(task.left), _value(task.right), difference, p, over, tests


def _value(interval: Interval | None) -> str:
    return DASH if interval is None else f"{percent(interval.mean)} {half_width(interval)}".strip()


def print_coverage(console: Console, found: Sequence[Coverage]) -> None:
    """A row an interval and kind of noise, a column a number of seeds; defaults are marked."""
    seeds = sorted({one.seeds for one in found})
    shown = RichTable(
        box=box.SIMPLE_HEAD, title="Coverage of nominal 95 % intervals, percent", title_justify="left"
    )
    for head in ("of", "interval", "noise", "tasks", "shared", *(f"n={n}" for n in seeds), ""):
        shown.add_column(head, justify="right" if head.startswith("n=") else "left")
    for key, cells in coverage_rows(found):
        mark = "default" if any(one.default for one in cells.values()) else ""
        numbers = [f"{cells[n].percent:.1f}" if n in cells else DASH for n in seeds]
        shown.add_row(*key, *numbers, mark)
    console.print(shown)
    words = "keeps its promise" if keeps_promise(found) else "DOES NOT keep its promise"
    say(console, f"The default interval {words}: between {LOW:.0f} and {HIGH:.0f} % for normal seeds.")


def print_study(console: Console, outcomes: Iterable[Outcome]) -> None:
    """Worst false claims by rows, seeds and spreads; mean power of pairs 1, 2 and 4 points apart."""
    groups: dict[tuple[int, int, str], dict[str, list[Outcome]]] = {}
    for one in outcomes:
        groups.setdefault((one.rows, one.seeds, one.spreads), {}).setdefault(one.test, []).append(one)
    shown = RichTable(
        box=box.SIMPLE_HEAD,
        title="Worst false claims, percent | mean power for 1/2/4 points",
        title_justify="left",
    )
    for head in ("rows", "seeds", "SDs", *TESTS):
        shown.add_column(head)
    for key, by_test in groups.items():
        cells = [study_cell(by_test[test]) for test in TESTS]
        shown.add_row(*map(str, key), *cells)
    console.print(shown)


def study_cell(outcomes: Sequence[Outcome]) -> str:
    """Worst rate of false claims, and mean power by gap."""
    powers = []
    for index in range(len(GAPS)):
        found = [one.found[index] for one in outcomes]
        known = [value for value in found if value is not None]
        powers.append(f"{sum(known) / len(known):.0f}" if known else DASH)
    return f"{max(one.false for one in outcomes):.1f} | {'/'.join(powers)}"
