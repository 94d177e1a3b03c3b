"""What ``dabench tune`` does: prepare, say what it costs, run the trials, write the winners."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from dabench.errors import UserError
from dabench.expected import write_expected
from dabench.failures import KILLED, LOST_FOLDER, first_line
from dabench.hardware import resolve_device
from dabench.openings import OpenDomains
from dabench.patience import persistently
from dabench.plan import PlannedRun, check_weights
from dabench.records import Failure, Record, RecordStore, ResultsError
from dabench.sharing import finish_leftovers, share
from dabench.signals import terminated_as_interrupted
from dabench.sweep import Place
from dabench.terminal import standard_console
from dabench.tuning.display import SearchDisplay
from dabench.tuning.journal import Journal
from dabench.tuning.preparation import prepare
from dabench.tuning.report import (
    announce,
    print_ranges,
    print_trials,
    print_winner,
    sayer,
    summary,
    trial_line,
)
from dabench.tuning.request import TuneRequest
from dabench.tuning.setting import MethodSearch, Setting
from dabench.tuning.space import sampled
from dabench.tuning.trials import Trial, judged
from dabench.tuning.winner import write_recipe

__all__ = ["TuneRequest", "execute"]

INTERRUPTED = 130
MACHINES = (KILLED.kind, LOST_FOLDER, "DiskFull")  # no fault of what was tried


@dataclass(frozen=True)
class _Work:
    """Where the runs of a search take place, and who is told."""

    place: Place
    domains: OpenDomains
    console: Console
    display: SearchDisplay
    told: set[str] = field(default_factory=set)

    @property
    def store(self) -> RecordStore:
        """The records of all trials."""
        return self.place.store


def execute(request: TuneRequest) -> int:
    """Search; return the exit code: 0, 1 where a method has no winner, 130 after Ctrl-C.

    Raises:
        UserError: anything wrong in flags or configuration, before any run.
        MissingDataError: images or weights are not on this machine.
    """
    console, device = standard_console(), resolve_device(request.device)
    display = SearchDisplay(console, 0)
    domains, store = OpenDomains(request.data, display.preparing), RecordStore(request.results)
    setting = prepare(request, domains, store, device)
    announce(console, setting)
    if request.dry_run:
        print_ranges(console, setting)
        return 0
    setting.require_images()
    check_weights([run for search in setting.searches for run in search.runs])
    store.require_writable()
    display.expect(setting.budget.runs * len(setting.searches))
    place = Place(
        data=request.data, results=request.results, device=device, lease=request.execution.lease,
        checkpoint_seconds=request.execution.checkpoint_every, fail_fast=True,
        listed=write_expected(store, [run for search in setting.searches for run in search.runs]),
    )  # fmt: skip
    with display, terminated_as_interrupted():
        finished = _all_trials(setting, _Work(place, domains, console, display))
    searches = [search for search in setting.searches if search.trials]
    for search in searches:
        print_trials(console, setting, search)
    if any(trial.state == "failed" for search in searches for trial in search.trials):
        sayer(console)(
            f"a failed run is not repeated: delete its record below {request.results} to try again"
        )
    if not finished:
        return INTERRUPTED
    files = [write_recipe(request.out, setting, search) for search in searches]
    for search, file in zip(searches, files, strict=True):
        print_winner(console, setting, search, file, request.run_command(search.entry.name))
    return 1 if None in files else 0


def _all_trials(setting: Setting, work: _Work) -> bool:
    """Run every trial of every method, trial by trial; False where Ctrl-C came in between."""
    journals = {search.entry.name: setting.journal(work.store, search) for search in setting.searches}
    try:
        for number in range(setting.budget.trials):
            trials = {
                search.entry.name: _proposed(setting, search, journals[search.entry.name], number)
                for search in setting.searches
            }
            tried = {name: trial.values for name, trial in trials.items() if trial.trial}
            planned = setting.plan(tried)
            for search in setting.searches:
                name = search.entry.name
                trial = _tried(setting, search, trials[name], planned[name], work)
                if trial is None:
                    return False
                search.trials.append(trial)
                journals[name].add(trial)
    except KeyboardInterrupt:
        return False
    return True


def _proposed(setting: Setting, search: MethodSearch, journal: Journal, number: int) -> Trial:
    """A trial that is not judged: as the journal has it, or as the sampler says."""
    if number == 0:
        return search.first()
    kept = journal.get(number)
    numbers = kept.numbers if kept is not None else None
    if numbers is None:
        numbers = setting.sampler.propose(search.entry.name, search.ranges, number, search.trials)
    return Trial(trial=number, values=sampled(numbers, search.ranges), numbers=numbers)


def _tried(
    setting: Setting, search: MethodSearch, trial: Trial, runs: Sequence[PlannedRun], work: _Work
) -> Trial | None:
    """Run what is not done of a trial and judge it; None where Ctrl-C came in between.

    Other processes with the same search do a part of the runs. After a failed run, of now or of an earlier
    day, the rest of the trial is left out: it cannot win.
    """
    say = sayer(work.console)
    for note in dict.fromkeys(run.note for run in runs if run.note and run.state in ("done", "to do")):
        if note not in work.told:
            work.told.add(note)
            say(f"note: {note}")
    todo = [run for run in runs if run.state == "to do" or _machine_failed(run, work.store)]
    if any(run.state == "failed" and run not in todo for run in runs):
        todo = []
    work.display.skip(len(runs) - len(todo))
    if todo:
        say(trial_line(search, trial))
        result = share(todo, work.place, work.display, work.domains)
        if result.interrupted:
            return None
        work.display.skip(len(result.left))
        if result.device_lost is not None:
            raise result.device_lost
        _require_machine(todo, work.store)
    records = persistently(partial(_records, runs, work.place), work.place.lease)
    done = {record.run_id for _, record in records if record.status == "done"}
    finish_leftovers([replace(run, state="done") for run in runs if run.run_id in done], work.place)
    trial = judged(trial, records, setting.rule)
    if todo:
        say(f"  {summary(setting, trial)}")
    return trial


def _machine_failed(run: PlannedRun, store: RecordStore) -> Failure | None:
    """Why a run failed, where the machine is to blame and not the values that were tried."""
    record = store.read(run.path) if run.path is not None else None
    failure = record.failure if isinstance(record, Record) else None
    return failure if failure is not None and failure.kind in MACHINES else None


def _require_machine(runs: Sequence[PlannedRun], store: RecordStore) -> None:
    """Raise UserError where a run failed for what would make every trial lose."""
    for run in runs:
        failure = _machine_failed(run, store)
        if failure is not None:
            raise UserError(
                f"{run.label}: {first_line(failure)}",
                "the search stops: the values that were tried are not to blame; mend it and run the same "
                "command again",
            )


def _records(runs: Sequence[PlannedRun], place: Place) -> list[tuple[Path, Record]]:
    """The records that a trial's runs have; a failed trial lacks some.

    Raises:
        OSError: one cannot be read at the moment.
        ResultsError: one that was there is gone, or the folder is.
    """
    place.require_results()
    found = []
    for run in runs:
        assert run.path is not None  # the images are here
        record = place.store.look(run.path)
        if isinstance(record, Record):
            found.append((run.path, record))
    if len(found) < len(runs) and not any(record.status == "failed" for _, record in found):
        raise ResultsError(f"records of a trial are gone from {place.results}", "run the same command again")
    return found
