"""The winner's recipe file: what it says, and that it is read back as a recipe book."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import dabench
from dabench.openings import OpenDomains
from dabench.recipe import RecipeBook
from dabench.records import RecordStore
from dabench.tuning.preparation import prepare
from dabench.tuning.request import TuneRequest
from dabench.tuning.setting import Setting
from dabench.tuning.trials import Trial
from dabench.tuning.winner import recipe_book, write_recipe

ReadRecipe = Callable[[str], RecipeBook]
VALUES = {"optimiser.lr": 0.02, "optimiser.weight_decay": 0.0001, "reversal.maximum": 3e-05}


@pytest.fixture
def make_setting(tiny_suite: Path, tmp_path: Path) -> Callable[..., Setting]:
    """A prepared search for cdan+e, with three trials as if they had been judged."""

    def make(rule: str, scores: tuple[float | None, ...] = (0.5, 0.75, None)) -> Setting:
        request = TuneRequest(
            methods=["cdan+e"], suite=str(tiny_suite), rule=rule, trials=3, search_seed=7, seeds=[0, 1],
            data=tmp_path, results=tmp_path / "results", out=tmp_path / "out", device="cpu",
            assignments=["steps=8"],
        )  # fmt: skip
        domains, store = OpenDomains(request.data), RecordStore(request.results)
        setting = prepare(request, domains, store, torch.device("cpu"))
        (search,) = setting.searches
        for number, score in enumerate(scores):
            state = "done" if score is not None else "failed"
            values = dict(search.recipe) if number == 0 else VALUES
            search.trials.append(
                Trial(
                    trial=number, values=values, state=state, score=score, reason="" if score else "no room"
                )
            )
        return setting

    return make


def test_the_winner_is_read_back_with_budget_and_rule_in_each_source(
    make_setting: Callable[..., Setting], tmp_path: Path, read_recipe: ReadRecipe
) -> None:
    setting = make_setting("snd")
    (search,) = setting.searches
    path = write_recipe(tmp_path / "new", setting, search)
    assert path is not None
    assert path.parent == tmp_path / "new"
    assert re.fullmatch(r"tiny-cdan-e-snd-[0-9a-f]{8}\.yaml", path.name)
    book = read_recipe(str(path))
    assert book == recipe_book(setting, search, search.trials[1])
    assert book.name == path.stem
    ((scope, recipe),) = book.layers("tiny", "cdan+e")
    assert scope == "cdan+e on tiny"
    assert {key: item.value for key, item in recipe.items()} == VALUES
    assert {item.source for item in recipe.values()} == {
        "dabench tune: best of 3 trials x 2 tasks x 2 seeds by rule snd (random, search seed 7), "
        f"dabench {dabench.__version__}"
    }
    assert "trial 1 with 0.75" in book.about
    assert "The untouched recipe, trial 0: 0.5." in book.about
    assert "Trials without a score: 1." in book.about
    assert "Tasks A->B, B->A; seeds 0, 1." in book.about
    assert (
        "--rule snd --trials 3 --sampler random --search-seed 7 --seed 0 --seed 1 --set steps=8" in book.about
    )
    assert book.layers("tiny", "cdan") == book.layers("other", "cdan+e") == []


def test_the_direction_of_the_rule_decides(
    make_setting: Callable[..., Setting], tmp_path: Path, read_recipe: ReadRecipe
) -> None:
    setting = make_setting("entropy", (0.5, 0.75, 0.25))
    book = read_recipe(str(write_recipe(tmp_path, setting, setting.searches[0])))
    assert "trial 2 with 0.25" in book.about


def test_every_value_that_was_chosen_on_target_labels_says_so(
    make_setting: Callable[..., Setting], tmp_path: Path, read_recipe: ReadRecipe
) -> None:
    setting = make_setting("oracle")
    book = read_recipe(str(write_recipe(tmp_path, setting, setting.searches[0])))
    assert "chosen on target labels" in book.title
    assert "CHOSEN ON TARGET LABELS: an upper bound" in book.about
    recipe = book.methods["cdan+e"].suites["tiny"]
    assert recipe.keys() == VALUES.keys()
    assert all("by rule oracle, chosen on target labels (random" in item.source for item in recipe.values())


def test_a_search_without_any_score_writes_nothing(
    make_setting: Callable[..., Setting], tmp_path: Path
) -> None:
    setting = make_setting("snd", (None, None))
    assert write_recipe(tmp_path / "none", setting, setting.searches[0]) is None
    assert not (tmp_path / "none").exists()
