"""BibTeX: what is registered word for word, what a record says escaped, nothing for bounds."""

from collections.abc import Callable

from dabench.leaderboard.citations import citations
from dabench.leaderboard.runs import Run
from dabench.leaderboard.table import aggregate
from dabench.method import METHODS
from dabench.records import Record


def test_entries(record: Callable[..., Record], runs_of: Callable[[list[Record]], list[Run]]) -> None:
    paper = {"title": "New_one & {only}", "paper": r"Me, 100% \input{x}, 2026"}
    records = [
        record("gsda"),
        record("source_only"),
        record("new+one", method_info=paper),
        record("untold", method_info={"paper": ""}),
        record("plain", method_info={"paper": "no paper: a check"}),
    ]
    found = citations(aggregate(runs_of(records), {})[0].rows)
    assert list(found) == ["gsda", "new+one"]
    assert found["gsda"] == METHODS.get("gsda").cls.bibtex.strip()
    assert found["new+one"] == (
        "@misc{new-one,\n"
        r"  title = {New\_one \& \textbraceleft only\textbraceright },"
        "\n"
        r"  note  = {Me, 100\% \textbackslash input\textbraceleft x\textbraceright , 2026}"
        "\n}"
    )
