"""From files to files: bad records are named and skipped, equal input gives equal bytes, names are safe."""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dabench.errors import UserError
from dabench.leaderboard.reading import known_suites
from dabench.leaderboard.runs import load
from dabench.leaderboard.site import Order, write_site
from dabench.leaderboard.table import SuiteInfo
from dabench.problem import LARGEST_RECORD_BYTES
from dabench.records import Record

Make = Callable[..., Record]
Write = Callable[[list[Record]], Path]
Suites = Mapping[str, SuiteInfo]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def lines(site: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((site / "results.csv").read_text(encoding="utf-8"))))


def test_files_that_are_no_records_are_named_and_skipped(
    record: Make, written: Write, suites: Suites, tmp_path: Path
) -> None:
    results = written([record(seed=seed, value=0.5) for seed in range(3)])
    whole = record(seed=7, value=0.99).model_dump_json()
    (results / "truncated.json").write_text(whole[: len(whole) // 2])
    (results / "foreign.json").write_text('{"name": "package", "version": "1.0.0"}')
    (results / "list.json").write_text("[1, 2]")
    (results / "newer.json").write_text(whole.replace('"schema_version":1', '"schema_version":99'))
    (results / "impossible.json").write_text(whole.replace('"value":0.99', '"value":99.0'))
    (results / "binary.json").write_bytes(b"\xff\xfe\x00\x01")
    with (results / "huge.json").open("wb") as file:
        file.truncate(LARGEST_RECORD_BYTES + 1)  # sparse: takes no space
    report = write_site(results, tmp_path / "site", Order(suites=suites))
    names = ["binary", "foreign", "huge", "impossible", "list", "newer", "truncated"]
    assert [problem.path.as_posix() for problem in report.problems] == [f"{name}.json" for name in names]
    assert (report.done, report.failed) == (3, 0)
    page = report.index.read_text(encoding="utf-8")
    assert "7 files skipped" in page
    assert all(f"<code>{name}.json</code>" in page for name in names)
    assert "schema_version 99" in page
    assert str(tmp_path) not in page
    assert [line["value"] for line in lines(tmp_path / "site")] == ["0.5"] * 3


def test_a_reason_does_not_name_the_machine(record: Make, written: Write) -> None:
    results = written([])
    (results / "gone.json").symlink_to(results / "nowhere")
    _, (problem,) = load(results)
    assert str(results) not in problem.reason
    assert problem.path == Path("gone.json")


def test_equal_input_gives_equal_bytes(
    small_sweep: list[Record], written: Write, suites: Suites, tmp_path: Path
) -> None:
    results = written(small_sweep)
    write_site(results, tmp_path / "one", Order(suites=suites))
    (results.parent / "moved").mkdir()
    moved = results.rename(results.parent / "moved" / "elsewhere")
    write_site(moved, tmp_path / "two", Order(suites=suites))
    write_site(moved, tmp_path / "two", Order(suites=suites))
    one = snapshot(tmp_path / "one")
    assert one == snapshot(tmp_path / "two")
    assert {"index.html", "results.csv", ".nojekyll"} < set(one)


def test_pages_of_rows_that_are_gone_are_removed_and_other_files_stay(
    record: Make, written: Write, suites: Suites, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    results = written([record("dann"), record("gsda")])
    write_site(results, site, Order(suites=suites))
    (site / "rows" / "mine.html").write_text("<p>mine</p>")
    (site / "notes.txt").write_text("mine")
    for path in results.rglob("gsda/*.json"):
        path.unlink()
    write_site(results, site, Order(suites=suites))
    pages = sorted(path.name for path in (site / "rows").iterdir())
    assert pages[0] == "mine.html"
    assert [name.split("-")[1] for name in pages[1:]] == ["dann"]
    assert (site / "notes.txt").exists()


def test_every_link_leads_somewhere(
    small_sweep: list[Record], written: Write, suites: Suites, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    write_site(written(small_sweep), site, Order(suites=suites))
    for page in site.rglob("*.html"):
        for link in re.findall(r'href="([^"]*)"', page.read_text(encoding="utf-8")):
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target.is_relative_to(site)
            assert target.is_file(), link
            if anchor:
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), link


def test_ids_are_unique(small_sweep: list[Record], written: Write, suites: Suites, tmp_path: Path) -> None:
    write_site(written(small_sweep), tmp_path / "site", Order(suites=suites))
    for page in (tmp_path / "site").rglob("*.html"):
        ids = re.findall(r' id="([^"]*)"', page.read_text(encoding="utf-8"))
        assert len(ids) == len(set(ids))


def test_tidy_csv_has_one_line_a_run(
    small_sweep: list[Record], written: Write, suites: Suites, tmp_path: Path
) -> None:
    results = written(small_sweep)
    write_site(results, tmp_path / "site", Order(suites=suites))
    found = lines(tmp_path / "site")
    assert len(found) == len(small_sweep)
    (one,) = (
        line
        for line in found
        if (line["method"], line["task"], line["seed"], line["status"]) == ("gsda", "A->B", "2", "done")
    )
    assert (one["value"], one["oracle"], one["steps"], one["used"]) == ("0.74", "0.75", "500", "True")
    assert (results / one["record"]).is_file()
    (failed,) = (line for line in found if line["status"] == "failed")
    assert (failed["value"], failed["used"]) == ("", "False")
    assert failed["failure"] == "FloatingPointError: loss is not finite at step 120"


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n\n=1"])
def test_no_text_in_the_csv_is_a_formula(record: Make, tmp_path: Path, suites: Suites, name: str) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "a.json").write_text(record(name, value=0.5).model_dump_json())
    write_site(results, tmp_path / "site", Order(suites=suites))
    content = (tmp_path / "site" / "results.csv").read_bytes().decode()
    (line,) = csv.DictReader(io.StringIO(content, newline=""))
    assert line["method"] == f"'{' ' if name[0].isspace() else ''}{name.strip()}"
    assert line["value"] == "0.5"


def test_class_columns_of_visda(record: Make, written: Write, suites: Suites, tmp_path: Path) -> None:
    classes = [{"plane": 0.9, "car": 0.3, "train": None}, {"plane": 0.7, "car": 0.5, "train": None}]
    records = [
        record(
            task="T->V", seed=seed, value=0.6, accuracy=0.45, suite="visda2017", per_class=by_class,
            metric="mean_class_accuracy",
        )
        for seed, by_class in enumerate(classes)
    ]  # fmt: skip
    report = write_site(written(records), tmp_path / "site", Order(suites=suites))
    page = report.index.read_text(encoding="utf-8")
    section = page[page.index("By class, T→V") :]
    section = section[: section.index("</table>")]
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', section)
    assert heads == ["Method", "Mean", "Overall", "plane", "car"]  # a class without test images has no column
    cells = re.findall(r"<td[^>]*>([\d.]+) <small>([^<]*)</small></td>", section)
    assert [value for value, _ in cells] == ["60.00", "45.00", "80.00", "40.00"]
    # Two values 20 points apart: 12.706 * (20 / sqrt(2)) / sqrt(2) = 127.06.
    assert cells[2][1] == "±127.06 · n=2"


def test_empty_results_give_a_page_that_says_how_to_go_on(written: Write, tmp_path: Path) -> None:
    report = write_site(written([]), tmp_path / "site", Order(suites={}))
    page = report.index.read_text(encoding="utf-8")
    assert "There are no runs here yet" in page
    assert "dabench demo" in page
    assert "dabench run " in page
    assert lines(tmp_path / "site") == []


def test_a_missing_results_folder_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results folder") as caught:
        write_site(tmp_path / "nowhere", tmp_path / "site", Order(suites={}))
    assert "--results" in caught.value.hint
    assert not (tmp_path / "site").exists()


def test_a_file_in_the_place_of_the_site(written: Write, tmp_path: Path) -> None:
    (tmp_path / "site").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        write_site(written([]), tmp_path / "site", Order(suites={}))


def test_half_a_surrogate_pair_does_not_stop_the_page(record: Make, tmp_path: Path, suites: Suites) -> None:
    results = tmp_path / "results"
    results.mkdir()
    content = json.loads(record().model_dump_json())
    content["config"]["params"] = {"name": "\ud800"}
    (results / "odd.json").write_text(json.dumps(content))
    report = write_site(results, tmp_path / "site", Order(suites=suites))
    assert report.index.is_file()


def test_pages_may_be_served(record: Make, written: Write, suites: Suites, tmp_path: Path) -> None:
    report = write_site(written([record()]), tmp_path / "site", Order(suites=suites))
    assert report.index.stat().st_mode & 0o777 == 0o644


def test_the_suites_of_dabench_are_known() -> None:
    suites = known_suites()
    assert len(suites["minidigits"].tasks) == 6
    assert suites["minidigits"].title


def test_nothing_is_written_through_links_in_a_sites_folder(
    record: Make, written: Write, suites: Suites, tmp_path: Path
) -> None:
    results, site = written([record()]), tmp_path / "site"
    write_site(results, site, Order(suites=suites))
    victim, index = tmp_path / "victim", (site / "index.html").read_bytes()
    victim.write_text("mine")
    (site / ".index.html.part").symlink_to(victim)  # what older versions wrote into
    (site / "index.html").unlink()
    (site / "index.html").symlink_to(victim)
    os.mkfifo(site / "pipe.html")
    (site / "methods" / "other.html").symlink_to(victim)
    write_site(results, site, Order(suites=suites))
    assert victim.read_text() == "mine"
    assert not (site / "index.html").is_symlink()
    assert (site / "index.html").read_bytes() == index
    assert (site / "methods" / "other.html").is_symlink()
    (site / "runs").rename(tmp_path / "elsewhere")
    (site / "runs").symlink_to(tmp_path / "elsewhere")
    before = snapshot(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="runs' is a link, so no folder for pages"):
        write_site(results, site, Order(suites=suites))
    assert snapshot(tmp_path / "elsewhere") == before


def test_two_processes_may_write_one_site(
    record: Make, written: Write, suites: Suites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one begins and ends with a page while this one writes it."""
    results, site = written([record()]), tmp_path / "site"
    real = Path.replace
    begun: list[Path] = []

    def meanwhile(part: Path, target: Path) -> Path:
        if not begun:
            begun.append(target)
            write_site(results, site, Order(suites=suites))
        return real(part, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    report = write_site(results, site, Order(suites=suites))
    assert begun
    assert report.done == 1
    assert not list(site.rglob("*.part"))
