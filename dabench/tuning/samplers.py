"""Where the next trial's values come from: independent draws, or a model of the trials so far (Optuna)."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from dabench.errors import UserError, unknown
from dabench.search import Choice, Range
from dabench.streams import Streams
from dabench.tuning.trials import Trial

__all__ = ["RandomSampler", "Sampler", "TPESampler", "find_sampler"]


class Sampler(Protocol):
    """Proposes one number in [0, 1] for each range.

    Attributes:
        name: as given to ``--sampler``.
        about: for people, with the version of the library where there is one.
    """

    name: str
    about: str

    def propose(
        self, method: str, ranges: Mapping[str, Range], number: int, history: Sequence[Trial]
    ) -> dict[str, float]:
        """Return the numbers of a trial (from 1), given all trials before it."""
        ...


class RandomSampler:
    """Independent draws: a number depends on search seed, method, path and trial alone.

    Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13, 2012.

    Args:
        seed: of the search.
        higher_is_better: not used: nothing is learnt from scores.
    """

    name = about = "random"

    def __init__(self, seed: int, higher_is_better: bool) -> None:
        self._streams = Streams(seed)

    def propose(
        self, method: str, ranges: Mapping[str, Range], number: int, history: Sequence[Trial]
    ) -> dict[str, float]:
        """Return the numbers of a trial; the history is not read."""
        row = np.array([number])
        return {path: float(self._streams.uniforms(row, 1, "tune", method, path)[0, 0]) for path in ranges}


class TPESampler:
    """Optuna's tree-structured Parzen estimator over the unit cube.

    Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011. The study lives in memory and
    is made anew from the history for each trial, with a sampler seeded for that trial: so a search that goes
    on after an interruption proposes what it would have proposed without.

    Args:
        seed: of the search.
        higher_is_better: the rule's direction.

    Raises:
        UserError: Optuna is not installed.
    """

    name = "tpe"

    def __init__(self, seed: int, higher_is_better: bool) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UserError(
                "--sampler tpe needs Optuna, which is not installed",
                "pip install 'dabench[tune]', or search with --sampler random",
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._streams = Streams(seed)
        self._direction = "maximize" if higher_is_better else "minimize"
        self.about = f"TPE of Optuna {optuna.__version__}"

    def propose(
        self, method: str, ranges: Mapping[str, Range], number: int, history: Sequence[Trial]
    ) -> dict[str, float]:
        """Ask Optuna for a trial. Trials without a score count as worse than all others."""
        optuna = self._optuna
        seed = self._streams.number("tune", method, number) % 2**32
        study = optuna.create_study(direction=self._direction, sampler=optuna.samplers.TPESampler(seed=seed))
        distributions = {path: self._distribution(one) for path, one in ranges.items()}
        states = optuna.trial.TrialState
        for trial in history:
            if trial.numbers.keys() == ranges.keys():
                study.add_trial(
                    optuna.trial.create_trial(
                        state=states.PRUNED if trial.score is None else states.COMPLETE,
                        params={path: _param(ranges[path], trial.numbers[path]) for path in ranges},
                        distributions=distributions,
                        value=trial.score,
                    )
                )
        asked = study.ask(distributions).params
        return {path: _number(ranges[path], asked[path]) for path in ranges}

    def _distribution(self, one: Range) -> Any:
        distributions = self._optuna.distributions
        if isinstance(one, Choice):
            return distributions.CategoricalDistribution(range(len(one.options)))
        return distributions.FloatDistribution(0.0, 1.0)


def _param(one: Range, number: float) -> float | int:
    """What Optuna calls a number: options of a choice go by their place."""
    return one.options.index(one.sample(number)) if isinstance(one, Choice) else number


def _number(one: Range, param: float | int) -> float:
    return (int(param) + 0.5) / len(one.options) if isinstance(one, Choice) else float(param)


SAMPLERS = {cls.name: cls for cls in (RandomSampler, TPESampler)}


def find_sampler(name: str, seed: int, higher_is_better: bool) -> Sampler:
    """Return a sampler by its name.

    Raises:
        UserError: no such sampler, or one whose library is missing.
    """
    if name not in SAMPLERS:
        raise unknown("sampler", name, SAMPLERS, "--sampler")
    return SAMPLERS[name](seed, higher_is_better)
