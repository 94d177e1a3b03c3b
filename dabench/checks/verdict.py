"""What a check is, and what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from dabench.method import MethodEntry

__all__ = ["Check", "CheckFailed", "Claim", "Unsteady", "Verdict"]


class CheckFailed(Exception):
    """A method does not keep what a check demands; the message says it in a user's words."""


class Unsteady(CheckFailed):
    """Equal runs differ by chance: no comparison of runs can tell anything more."""


class Verdict(BaseModel):
    """The outcome of one check on one method.

    Attributes:
        method: registered name.
        title: of the check.
        state: passed; failed; skipped, where the check does not apply to the method.
        message: what was found, or why the check was skipped.
        advice: how to go on after a failure.
        about: what the check does.
        leak: whether it is a leak check, not one of the contract.
        unsteady: whether equal runs were found to differ by chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    title: str
    state: Literal["passed", "failed", "skipped"]
    message: str = ""
    advice: str = ""
    about: str = ""
    leak: bool = False
    unsteady: bool = False


@dataclass(frozen=True)
class Claim:
    """Something that holds of every sound method.

    Attributes:
        title: it in a few words, as what the method does.
        about: what is done to find out.
        advice: how to go on after a failure.
        leak: whether it is about leaks, not part of the contract.
    """

    title: str
    about: str
    advice: str
    leak: bool = False

    def says(
        self, method: str, message: str = "", state: Literal["passed", "failed", "skipped"] = "passed"
    ) -> Verdict:
        """Return the verdict on a method."""
        return Verdict(
            method=method,
            title=self.title,
            state=state,
            message=message,
            advice=self.advice if state == "failed" else "",
            about=self.about,
            leak=self.leak,
        )


@dataclass(frozen=True)
class Check:
    """A claim that one process can test by itself.

    Attributes:
        claim: what is tested.
        run: looks at a registered method, with a new folder for data and results; raises CheckFailed. What
            it returns is why the claim does not apply to the method, or None.
    """

    claim: Claim
    run: Callable[[MethodEntry, Path], str | None]

    def verdict(self, entry: MethodEntry, folder: Path) -> Verdict:
        """Run the check in a folder, which is made."""
        folder.mkdir(parents=True)
        try:
            reason = self.run(entry, folder)
        except CheckFailed as failure:
            verdict = self.claim.says(entry.name, str(failure), "failed")
            return verdict.model_copy(update={"unsteady": isinstance(failure, Unsteady)})
        return self.claim.says(entry.name, reason or "", "skipped" if reason else "passed")
