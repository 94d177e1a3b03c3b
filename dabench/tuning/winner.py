"""The winner of a search as a recipe file: ``dabench run --recipe FILE`` runs it."""

import re
from pathlib import Path

import yaml

import dabench
from dabench.recipe import ON_TARGET_LABELS, MethodRecipes, Recipe, RecipeBook, Sourced, searched
from dabench.records import write_atomically
from dabench.tuning.setting import MethodSearch, Setting, looked_note
from dabench.tuning.trials import Trial, winner

__all__ = ["recipe_book", "recipe_file", "write_recipe"]

WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Writes long texts as blocks that can be read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = ">" if len(text) > WIDTH else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def recipe_file(folder: Path, setting: Setting, search: MethodSearch) -> Path:
    """Where the recipe of a method's winner lies."""
    return folder / f"{_name(setting, search)}.yaml"


def _name(setting: Setting, search: MethodSearch) -> str:
    """A recipe's name has fewer signs than a method's: cdan+e becomes cdan-e."""
    return re.sub(r"[^a-z0-9_.-]", "-", setting.name(search).lower())


def recipe_book(setting: Setting, search: MethodSearch, best: Trial) -> RecipeBook:
    """Return the winner with how it was found. Trial 0 gives the values that the recipe has anyway."""
    title = f"{search.entry.name} on {setting.suite.name}, chosen by {setting.rule.name}"
    source = searched(str(setting.budget), setting.rule.name)
    if setting.rule.cls.uses_target_labels:
        title, source = f"{title}, {ON_TARGET_LABELS}", f"{source}, {ON_TARGET_LABELS}"
    source += f" ({setting.sampler.about}, search seed {setting.seed}), dabench {dabench.__version__}"
    recipe: Recipe = {path: Sourced(value=value, source=source) for path, value in best.values.items()}
    if best.trial == 0:
        before = search.runs[0].provenance
        recipe = {
            path: Sourced(value=item.value, source=f"unchanged ({before[path]}); {source}")
            for path, item in recipe.items()
            if path in before  # not a loss weight that nobody set
        }
    return RecipeBook(
        name=_name(setting, search),
        title=title,
        about=" ".join(_about(setting, search, best)),
        methods={search.entry.name: MethodRecipes(suites={setting.suite.name: recipe})},
    )


def _about(setting: Setting, search: MethodSearch, best: Trial) -> list[str]:
    rule = setting.rule
    said = [
        f"Best of {setting.budget} by rule {rule.name} ({setting.direction}), mean over tasks and seeds: "
        f"trial {best.trial} with {best.score:.6g}."
    ]
    if best.trial == 0:
        said.append("That is the untouched recipe: no other trial is better, and this file changes nothing.")
    else:
        first = search.trials[0]
        said.append(f"The untouched recipe, trial 0: {_said(first)}.")
    lost = [trial for trial in search.trials if trial.score is None]
    if lost:
        said.append(f"Trials without a score: {len(lost)}.")
    said.append(f"Tasks {', '.join(setting.tasks)}; seeds {', '.join(map(str, setting.seeds))}.")
    said.append(f"Backbone {search.config.backbone}; protocol {search.runs[0].protocol}.")
    said.append(f"Sampler: {setting.sampler.about}, search seed {setting.seed}.")
    if rule.cls.uses_target_labels:
        said.append("CHOSEN ON TARGET LABELS: an upper bound for every rule, no result of domain adaptation.")
    if search.looked_at_target:
        said.append(looked_note(search))
    said.append(f"Repeat it: {setting.command}")
    return said


def _said(trial: Trial) -> str:
    return f"{trial.state}, {trial.reason}" if trial.score is None else f"{trial.score:.6g}"


def write_recipe(folder: Path, setting: Setting, search: MethodSearch) -> Path | None:
    """Write the winner's recipe; return its path, or None where no trial has a score."""
    best = winner(search.trials, setting.rule.cls.higher_is_better)
    if best is None:
        return None
    book = recipe_book(setting, search, best)
    content = book.model_dump(mode="json", exclude_defaults=True)
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    path = recipe_file(folder, setting, search)
    write_atomically(path, text.encode())
    return path
