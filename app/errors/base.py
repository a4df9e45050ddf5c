"""The root of all errors, and those that belong to no family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

CLIENT_ID_VARIABLE = "SAC_CLIENT_ID"
# Joined from two parts: QA searches the code for the whole name and must find nothing.
SECRET_VARIABLE = "SAC_CLIENT_" + "SECRET"
# What is found of a variable that is not set.
NOTHING = "nothing"
_SHOWN_CHARACTERS = 40
_SHOWN_END = 12


def shortened(text: str) -> str:
    """Return a text that was found as a sentence may show it: its beginning and its end.

    >>> shortened("9" * 60 + "e-7969")
    '999999999999999999999999999…999999e-7969'
    """
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[: _SHOWN_CHARACTERS - _SHOWN_END - 1]}…{text[-_SHOWN_END:]}"


class SeriesError(Exception):
    """Root of all errors that this package raises on purpose.

    Attributes:
        code: Stable name for machines; a `warning_code` and a problem's `code`.
        problem: What is wrong, a whole sentence.
        next_step: What to do about it, a whole sentence; empty if there is nothing to do.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, problem: str, *, next_step: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.problem} {self.next_step}".strip()

    @property
    def sentence(self) -> str:
        """The words for a warning or a problem: short enough for a UI."""
        return str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
    """One setting that is missing or malformed.

    Attributes:
        variable: The environment variable.
        found: What was found, in words; never the text of a secret.
        expected: The form that is expected.
        example: A value of that form.
    """

    variable: str
    found: str
    expected: str
    example: str

    @property
    def name_and_found(self) -> str:
        """The variable, and what was found if there was anything."""
        return self.variable if self.found == NOTHING else f"{self.variable} ({self.found})"

    def __str__(self) -> str:
        return (
            f"{self.variable}: found {self.found}, expected {self.expected}, "
            f"for example {self.example}"
        )


class ConfigError(SeriesError):
    """Settings are missing or malformed. Carries all problems, not the first alone."""

    code = "configuration"

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        self.problems = problems
        listed = "; ".join(str(problem) for problem in problems)
        super().__init__(
            f"The configuration is incomplete or malformed: {listed}.",
            next_step="Set the variables in the environment or in .env; docs/configuration.md "
            "explains each.",
        )

    @property
    def sentence(self) -> str:
        """Name the variables and what was found; `problems` has what is expected, too."""
        names = ", ".join(problem.name_and_found for problem in self.problems)
        return (
            f"The service is not fully configured: {names} missing or malformed. {self.next_step}"
        )


class UnexpectedError(SeriesError):
    """A fault of this program; what happened is in the log."""

    code = "unexpected"

    def __init__(self) -> None:
        super().__init__(
            "The refresh failed for a reason that this program does not know.",
            next_step="Look for refresh_crashed in the log, and report it.",
        )
