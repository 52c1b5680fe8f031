"""What stops a command, in one line with its fix and its exit code?"""

from __future__ import annotations

OTHER = 1
USAGE = 2
PYTHON = 3
DISK = 4


class ProblemError(Exception):
    """Something the user can mend: `cause` and `fix` are sentences, `exit_code` tells a script which kind it is."""

    def __init__(self, cause: str, *, fix: str, exit_code: int = OTHER) -> None:
        super().__init__(cause)
        self.cause = cause
        self.fix = fix
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.cause}\n    fix: {self.fix}"


class StopRequestedError(BaseException):
    """Ctrl-C or SIGTERM was received; like KeyboardInterrupt it passes every `except Exception`."""
