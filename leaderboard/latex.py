r"""Tables for papers: LaTeX with booktabs, the best tie group in bold, the interval in the caption."""

from collections.abc import Sequence

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.printed import PrintedRow, caption, printed_rows
from dabench.leaderboard.verify.words import plain
from dabench.leaderboard.view import arrow

__all__ = ["as_latex", "escape"]

# What LaTeX reads as commands, and signs that not every font of it has.
SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "±": r"$\pm$", "→": r"$\to$",
    "−": "$-$", "–": "--", "†": r"$^\dagger$", "…": r"\ldots{}", "·": r"$\cdot$",
}  # fmt: skip


def escape(text: str) -> str:
    r"""A text as LaTeX prints it.

    >>> print(escape("50 % of A->B & $x_1$"))
    50 \% of A-\textgreater{}B \& \$x\_1\$
    """
    return "".join(SIGNS.get(one, one) for one in text)


def as_latex(readings: Sequence[Reading], level: float) -> str:
    """One ``table`` a reading; needs the package booktabs."""
    head = "% needs \\usepackage{booktabs}\n"
    return head + "\n".join(_table(reading, level) for reading in readings) if readings else ""


def _table(reading: Reading, level: float) -> str:
    tasks = [escape(plain(arrow(task))) for task in reading.table.tasks]
    rows = printed_rows(reading)
    lines = [_line(row) for row in rows if not row.bound]
    bounds = [_line(row) for row in rows if row.bound]
    body = [*lines, *([r"\midrule"] if lines and bounds else []), *bounds]
    return "\n".join([
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(caption(reading, level))}}}",
        rf"\begin{{tabular}}{{ll{'r' * (len(tasks) + 1)}}}",
        r"\toprule",
        " & ".join(["Method", "Rank", "Average", *tasks]) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ])  # fmt: skip


def _line(row: PrintedRow) -> str:
    method, average = escape(row.method), escape(row.average)
    if row.best:
        method, average = rf"\textbf{{{method}}}", rf"\textbf{{{average}}}"
    if row.incomplete:
        method += r"$^\dagger$"
    cells = [escape(cell) for cell in row.cells]
    return " & ".join([method, escape(row.place), average, *cells]) + r" \\"
