"""From what the processes report to verdicts: what runs must share, and what a method must not do."""

from collections.abc import Callable, Mapping, Sequence

from dabench.checks.leaks import HANDED, LABELS, MEMORY, compare_labels, upper_bound
from dabench.checks.outcome import Outcome, differences
from dabench.checks.processes import Crashed
from dabench.checks.verdict import CheckFailed, Claim, Verdict
from dabench.checks.watch import Event, Kind
from dabench.checks.worker import Report

__all__ = ["BEHAVIOUR", "compare_memory", "judge_events", "verdicts"]

Reports = Mapping[str, Report | Crashed]

BEHAVIOUR: Mapping[str, Claim] = {
    "files": Claim(
        "leaves files alone",
        "notes what its code opens, lists or writes while it is imported and runs: nothing of the data, "
        "results and cache folders, and no file written",
        "take images and features from the engine; keep state in the method's object",
        leak=True,
    ),
    "processes": Claim(
        "starts no program and opens no connection",
        "notes programs that its code starts and connections that it opens while it runs",
        "do what is needed in the process; load weights through the configuration",
        leak=True,
    ),
    "engine": Claim(
        "leaves the code of dabench as it is",
        "compares the functions, classes and methods of dabench's modules before and after its code ran",
        "override hooks of the method's own class; ask for what is missing",
        leak=True,
    ),
    "interior": Claim(
        "does not look behind the interface",
        "notes when its code asks the interpreter for stack frames or for all objects in memory",
        "use what the hooks hand to the method, and nothing else",
        leak=True,
    ),
}
KINDS: Mapping[Kind, str] = {
    "write": "files",
    "scratch": "files",
    "read": "files",
    "look": "files",
    "program": "processes",
    "connection": "processes",
    "engine": "engine",
    "interior": "interior",
}
VERBS: Mapping[Kind, str] = {
    "write": "writes",
    "read": "reads",
    "look": "lists",
    "program": "starts a program by",
    "connection": "connects by",
    "scratch": "writes, and removes again,",
    "engine": "changes",
    "interior": "asks for",
}
HELD = ("data", "results", "cache")  # in the process's folder: the engine's own
UNSTEADY = "cannot be told: two equal runs differ (see 'repeats itself')"
FINISHED = Claim(
    "lets its process end",
    "waits for the report of the process that runs the method's code",
    "find what ends or holds up the process",
)


def compare_memory(fresh: Outcome, later: Outcome) -> None:
    """Demand that a run after another one is the same as without it.

    Raises:
        CheckFailed: naming what differs.
    """
    differing = differences(fresh, later)
    if differing:
        raise CheckFailed(
            f"after a run in which the target's images were labelled source, {', '.join(differing)} "
            "come out differently"
        )


def judge_events(method: str, events: Sequence[Event], left: Sequence[str] = ()) -> list[Verdict]:
    """Return the verdicts on what a method's code did.

    Reading a file outside the run's folders fails nothing, for it may be weights; it is named. So is what was
    written below the temporary folder and removed again.

    Args:
        method: its name.
        events: what its code did.
        left: files that appeared without an event.
    """
    wrong: dict[str, list[str]] = {key: [] for key in BEHAVIOUR}
    notes: list[str] = []
    for (kind, inside, where), whats in _by_place(events).items():
        line = f"{VERBS[kind]} {_shortened(whats, 1)} ({where})"
        harmless = kind == "scratch" or (kind in ("read", "look") and not inside)
        (notes if harmless else wrong[KINDS[kind]]).append(line)
    wrong["files"] += [f"leaves {path} behind" for path in left]
    found = []
    for key, claim in BEHAVIOUR.items():
        if wrong[key]:
            found.append(claim.says(method, _shortened(wrong[key]), "failed"))
        else:
            note = f"but it {_shortened(notes)}: look at that" if notes and key == "files" else ""
            found.append(claim.says(method, note))
    return found


def _by_place(events: Sequence[Event]) -> dict[tuple[Kind, bool, str], list[str]]:
    """What was done at each line of the code, inside and outside the engine's folders; the worst first."""
    found: dict[tuple[Kind, bool, str], list[str]] = {}
    for event in sorted(dict.fromkeys(events), key=lambda event: list(VERBS).index(event.kind)):
        inside = event.what.partition("/")[0] in HELD
        place = (event.kind, inside, event.where)
        found.setdefault(place, []).append(event.what)
    return found


def _shortened(lines: Sequence[str], most: int = 5) -> str:
    more = f"; and {len(lines) - most} more" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more


def verdicts(reports: Reports) -> list[Verdict]:
    """Judge a method by the reports of its processes; its contract first, method after method.

    Without a single report there is no verdict.
    """
    whole = [report for report in reports.values() if isinstance(report, Report)]
    names = whole[0].methods if whole else []
    found: list[Verdict] = []
    for name in names:
        found += [verdict for report in whole for verdict in report.verdicts if verdict.method == name]
        crashed = [str(report) for report in reports.values() if isinstance(report, Crashed)]
        if crashed:
            found.append(FINISHED.says(name, _shortened(list(dict.fromkeys(crashed))), "failed"))
        found += _leaks(name, reports)
    return found


def _leaks(name: str, reports: Reports) -> list[Verdict]:
    whole = [report for report in reports.values() if isinstance(report, Report)]
    bound = any(
        v.method == name and v.title == HANDED.claim.title and v.state == "skipped"
        for r in whole
        for v in r.verdicts
    )
    unsteady = any(v.method == name and v.unsteady for r in whole for v in r.verdicts)
    pairs: list[tuple[Claim, tuple[str, str], tuple[str, str], Callable[[Outcome, Outcome], None]]] = [
        (claim, ("plain", key), ("changed", key), compare_labels) for key, claim in LABELS.items()
    ]
    pairs += [(claim, ("plain", "fresh"), (key, key), compare_memory) for key, claim in MEMORY.items()]
    found = []
    for claim, one, other, compare in pairs:
        if bound:
            found.append(upper_bound(claim, name))
            continue
        if unsteady:
            found.append(claim.says(name, UNSTEADY, "skipped"))
            continue
        try:
            compare(_outcome(reports, one, name), _outcome(reports, other, name))
        except CheckFailed as failure:
            found.append(claim.says(name, str(failure), "failed"))
        else:
            found.append(claim.says(name))
    events = [event for report in whole for event in report.events.get(name, [])]
    written = {event.what for r in whole for events in r.events.values() for event in events}
    left = sorted({path for report in whole for path in report.left} - written)
    return [*found, *judge_events(name, events, left)]


def _outcome(reports: Reports, place: tuple[str, str], name: str) -> Outcome:
    """The outcome of a task of a job; CheckFailed where there is none."""
    job, key = place
    report = reports[job]
    if isinstance(report, Crashed):
        raise CheckFailed(f"could not be tried: {report}")
    if name not in report.outcomes.get(key, {}):
        raise CheckFailed(f"could not be tried: {report.failures.get(key, {}).get(name, 'there was no run')}")
    return report.outcomes[key][name]
