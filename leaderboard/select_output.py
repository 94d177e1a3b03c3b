"""How ``dabench select`` prints: tables for a terminal, Markdown, CSV and JSON; these two not in percent."""

import json
from collections.abc import Callable, Sequence
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from dabench.leaderboard.frame import to_csv
from dabench.leaderboard.selecting import ALL_METHODS, Line, Selected
from dabench.leaderboard.view import percent, points

__all__ = ["FORMATS", "Format", "as_csv", "as_json", "as_markdown", "print_tables"]

Format = Literal["table", "markdown", "csv", "json"]
FORMATS: tuple[Format, ...] = ("table", "markdown", "csv", "json")
DASH = "–"
Grid = tuple[str, list[str], list[list[str]]]  # title, heads, rows
TEXT_COLUMNS = frozenset({"rule", "method", "why not", "task", "record"})


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
        lines = [heads, ["---" if head in TEXT_COLUMNS else "---:" for head in heads], *rows]
        table = "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)
        parts.append(f"{title}\n\n{table}\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def print_tables(console: Console, found: Selected, with_runs: bool) -> None:
    """Print to a terminal."""
    for title, heads, rows in _grids(found, with_runs):
        table = RichTable(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
        for head in heads:
            table.add_column(head, justify="left" if head in TEXT_COLUMNS else "right", overflow="fold")
        for row in rows:
            table.add_row(*map(escape, row))
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
    return grids


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
    """Many rules: what each one costs, a row a rule, a column a method."""
    methods = list(dict.fromkeys(_method(line) for line in lines))
    cells = {(_name(line), _method(line)): line for line in lines}
    rules = list(dict.fromkeys(_name(line) for line in lines))
    kinds: list[tuple[str, Callable[[Line], str], str]] = [
        ("average at the chosen steps, percent", lambda line: _number(line, "average"), ALL_METHODS),
        ("what the choice lacks to the oracle, points", lambda line: _number(line, "regret"), ""),
        ("weighted Spearman of score and true accuracy, from -1 to +1", _correlation, ""),
    ]
    grids = []
    for words, shown, left_out in kinds:
        columns = [method for method in methods if method != left_out]
        rows = [[rule, *(shown(cells[rule, method]) for method in columns)] for rule in rules]
        grids.append((f"{title}: {words}", ["rule", *columns], rows))
    return grids


def _method(line: Line) -> str:
    return f"{line['method']} ({line['configuration']})" if line["configuration"] else str(line["method"])


def _number(line: Line, name: str) -> str:
    value, half_width = line.get(name), line.get(f"{name}_half_width")
    if value is None:
        return DASH
    spread = "" if half_width is None else f" ±{percent(half_width)}"
    return f"{points(value) if name == 'gain_over_last' else percent(value)}{spread}"


def _correlation(line: Line) -> str:
    return DASH if line["weighted_spearman"] is None else f"{line['weighted_spearman']:+.2f}"


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
