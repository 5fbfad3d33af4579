"""Every exception of the verifier, drawn once.

    VerifierError
      InvalidRequestError          the caller; INVALID_ARGUMENT; never retried
        UnknownNameError           a verifier, recipe, sandbox or option that does not exist
      UnscorableError              the task: its reference cannot be used; a verdict UNSCORABLE
      OverloadedError              try later; RESOURCE_EXHAUSTED
      InfrastructureError          us; carries a reason code; a verdict FAILED
        SandboxError               a sandbox could not run a program at all
        WorkerCrashedError         a judging process died
        WorkerTimeoutError         a judging process passed its budget and was killed
        ServerUnavailableError     the server cannot be reached, or went away
        JudgeModelError            a judge model did not answer, or not as agreed

Wrong answers are not exceptions: they are verdicts.
"""

from __future__ import annotations


class VerifierError(Exception):
    """Base of all errors that the verifier raises on purpose."""


class InvalidRequestError(VerifierError):
    """The caller's request cannot be understood; the message names the field and the remedy."""


class UnknownNameError(InvalidRequestError):
    """A verifier, recipe, sandbox or option was named that does not exist."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        self.kind = kind
        self.name = name
        self.known = known
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(sorted(known)) or 'none'}")

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, tuple[str, ...]]]:
        return type(self), (self.kind, self.name, self.known)


class UnscorableError(VerifierError):
    """The task is at fault; becomes a verdict UNSCORABLE.

    Args:
        reason: short stable code, such as ``no_reference``.
        detail: the field and the remedy.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class OverloadedError(VerifierError):
    """The queue is full: try again in ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class InfrastructureError(VerifierError):
    """We could not judge; becomes a verdict FAILED with this reason.

    Args:
        reason: short stable code, such as ``sandbox_lost``.
        detail: what happened and the remedy.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class SandboxError(InfrastructureError):
    """The sandbox could not run the program at all.

    ``is_lost`` tells that it was lost in the middle of the job, so that a retry in a new one may do better;
    ``is_own_doing`` that the job itself took it down.
    """

    def __init__(self, reason: str, detail: str = "", *, is_lost: bool = False, is_own_doing: bool = False) -> None:
        self.is_lost = is_lost
        self.is_own_doing = is_own_doing
        super().__init__(reason, detail)


class WorkerCrashedError(InfrastructureError):
    """A judging process died.

    ``is_own_doing`` tells whether the work itself brought the death about (a fault, an abort, memory), as against
    a kill from outside.
    """

    def __init__(self, reason: str, detail: str = "", *, is_own_doing: bool) -> None:
        self.is_own_doing = is_own_doing
        super().__init__(reason, detail)


class WorkerTimeoutError(InfrastructureError):
    """A judging process passed its CPU budget and was killed."""


class ServerUnavailableError(InfrastructureError):
    """The server cannot be reached, or went away."""


class JudgeModelError(InfrastructureError):
    """A judge model did not answer, or not as agreed.

    ``is_lasting`` tells that every other request would end the same way until someone mends it.
    """

    def __init__(self, reason: str, detail: str = "", *, is_lasting: bool = False) -> None:
        self.is_lasting = is_lasting
        super().__init__(reason, detail)
