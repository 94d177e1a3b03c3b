"""How ``dabench select`` prints: tables for a terminal, Markdown, CSV and JSON; these two not in percent."""

import json
from collections.abc import Callable, Sequence
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from dabench.leaderboard.frame import to_csv
from dabench.leaderboard.origins import HYPERPARAMETERS
from dabench.leaderboard.selecting import ALL_METHODS, Line, Selected
from dabench.leaderboard.view import MINUS, percent, points
from dabench.terminal import visible

__all__ = ["FORMATS", "Format", "as_csv", "as_json", "as_markdown", "print_selected", "print_tables"]

Format = Literal["table", "markdown", "csv", "json"]
FORMATS: tuple[Format, ...] = ("table", "markdown", "csv", "json")
DASH = "–"
Grid = tuple[str, list[str], list[list[str]]]  # title, heads, rows; a title alone is a sentence
TEXT_COLUMNS = frozenset({"rule", "suite", "method", "why not", "task", "record"})


def as_json(found: Selected) -> str:
    """One object with the lines of rules, report and runs."""
    return json.dumps({"rules": found.rules, "report": found.report, "runs": found.runs}, indent=1) + "\n"


def as_csv(lines: Sequence[Line]) -> str:
    """One line each, with all their columns; what a spreadsheet would run is made harmless."""
    columns = list(dict.fromkeys(name for line in sorted(lines, key=len, reverse=True) for name in line))
    return to_csv(pd.DataFrame(lines, columns=columns).convert_dtypes()).decode()


def as_markdown(found: Selected, with_runs: bool) -> str:
    """Tables with a title each."""
    parts = []
    for title, heads, rows in _grids(found, with_runs):
        if not heads:
            parts.append(f"{title}\n")
            continue
        lines = [heads, ["---" if head in TEXT_COLUMNS else "---:" for head in heads], *rows]
        table = "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)
        parts.append(f"{title}\n\n{table}\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def print_selected(console: Console, found: Selected, style: str, with_runs: bool) -> None:
    """Write to a console as CSV or Markdown, or print tables to a terminal."""
    if style == "csv":
        console.file.write(as_csv(found.runs if with_runs else found.report))
    elif style == "markdown":
        console.file.write(as_markdown(found, with_runs))
    else:
        print_tables(console, found, with_runs)


def print_tables(console: Console, found: Selected, with_runs: bool) -> None:
    """Print to a terminal."""
    for title, heads, rows in _grids(found, with_runs):
        if not heads:
            console.print(title, soft_wrap=True, markup=False, highlight=False)
            continue
        table = RichTable(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
        for head in heads:
            table.add_column(Text(head), justify="left" if head in TEXT_COLUMNS else "right", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)


def _grids(found: Selected, with_runs: bool) -> list[Grid]:
    grids = [_coverage(found.rules)]
    places = dict.fromkeys((line["suite"], line["backbone"], line["protocol"]) for line in found.report)
    for place in places:
        here = [line for line in found.report if (line["suite"], line["backbone"], line["protocol"]) == place]
        title = " · ".join(place)
        grids += [_costs(title, here)] if len({line["rule"] for line in here}) == 1 else _crossed(title, here)
    if with_runs:
        grids.append(_runs(found.runs))
    return [_visible(grid) for grid in grids]


def _visible(grid: Grid) -> Grid:
    """The same without signs that a terminal would obey: names and reasons are quoted from files."""
    title, heads, rows = grid
    return visible(title), [*map(visible, heads)], [[*map(visible, row)] for row in rows]


def _coverage(lines: Sequence[Line]) -> Grid:
    rows = []
    for line in lines:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in line["reasons"].items())
        rows.append([_name(line), f"{line['available']}/{line['runs']}", reasons])
    return "Selection rules", ["rule", "runs", "why not"], rows


def _costs(title: str, lines: Sequence[Line]) -> Grid:
    """One rule: a row a method."""
    heads = ["rule", "method", "runs", "average", "lacks to oracle", "adds to last", "weighted Spearman"]
    rows = [
        [
            _name(line),
            _method(line),
            f"{line['available']}/{line['runs']}",
            *(_number(line, name) for name in ("average", "regret", "gain_over_last")),
            _correlation(line),
        ]
        for line in lines
    ]
    return f"{title}, percent", heads, rows


def _crossed(title: str, lines: Sequence[Line]) -> list[Grid]:
    """Many rules: what each one costs."""
    single = [line for line in lines if line["method"] != ALL_METHODS]
    return [
        _grid(
            f"{title}: average at the chosen steps, percent",
            single,
            lambda line: _number(line, "average"),
            f"{title}: {_no_average(lines[0])}",
        ),
        _grid(
            f"{title}: what the choice lacks to the oracle, points",
            lines,
            lambda line: _number(line, "regret"),
            f"{title}: no comparison with the oracle: no seed was run on all these tasks",
        ),
        _grid(
            f"{title}: weighted Spearman of score and true accuracy, from -1 to +1",
            lines,
            _correlation,
            f"{title}: no weighted Spearman: too few evaluations with scores, or all are equal",
        ),
    ]


def _grid(title: str, lines: Sequence[Line], shown: Callable[[Line], str], otherwise: str) -> Grid:
    """A row a rule, a column a method; a sentence instead where no cell has a number."""
    cells = {(_name(line), _method(line)): shown(line) for line in lines}
    if set(cells.values()) <= {DASH}:
        return otherwise, [], []
    methods = list(dict.fromkeys(method for _, method in cells))
    rules = list(dict.fromkeys(rule for rule, _ in cells))
    return title, ["rule", *methods], [[rule, *(cells[rule, one] for one in methods)] for rule in rules]


def _no_average(line: Line) -> str:
    if line["tasks_run"] < line["tasks"]:
        return f"no average: {line['tasks_run']} of {line['tasks']} tasks were run"
    return "no average: no method has a seed that was run on all tasks"


def _method(line: Line) -> str:
    chosen = HYPERPARAMETERS if line["hyperparameters_on_target_labels"] else ""
    words = ", ".join(filter(None, (line["configuration"], chosen, line["search"])))
    return f"{line['method']} ({words})" if words else str(line["method"])


def _number(line: Line, name: str) -> str:
    value, half_width = line.get(name), line.get(f"{name}_half_width")
    if value is None:
        return DASH
    spread = "" if half_width is None else f" ±{percent(half_width)}"
    return f"{points(value) if name == 'gain_over_last' else percent(value)}{spread}"


def _correlation(line: Line) -> str:
    value = line["weighted_spearman"]
    return DASH if value is None else f"{value:+.2f}".replace("-", MINUS)


def _runs(lines: Sequence[Line]) -> Grid:
    heads = ["suite", "task", "method", "seed", "step", "value", "last", "oracle", "why not", "record"]
    rows = [
        [
            line["suite"],
            line["task"],
            line["method"],
            str(line["seed"]),
            DASH if line["step"] is None else str(line["step"]),
            *(DASH if line[name] is None else percent(line[name]) for name in ("value", "last", "oracle")),
            line["reason"],
            line["record"],
        ]
        for line in lines
    ]
    return "Runs, percent", heads, rows


def _name(line: Line) -> str:
    return f"{line['rule']} (target labels)" if line["uses_target_labels"] else str(line["rule"])
