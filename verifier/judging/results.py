"""What one test case of a program came to."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.judging.protocols import Finding, Said
from verifier.types import TestStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One test case.

    Args:
        status: what is told of it.
        detail: short and printable.
        partial: what is earned of a test case that was not accepted, in [0, 1).
        reason: of the verdict, where the status says too little.
        name: of the test case, where the script of tests has one.
    """

    status: TestStatus
    detail: str = ""
    partial: float = 0.0
    reason: str = ""
    name: str = ""

    @property
    def credit(self) -> float:
        """What is earned, in [0, 1]."""
        return 1.0 if self.status is TestStatus.AC else self.partial


ACCEPTED = CaseResult(status=TestStatus.AC)
WRONG = CaseResult(status=TestStatus.WA)
SKIPPED = CaseResult(status=TestStatus.SKIPPED)


def of_finding(finding: Finding, *, breaks: str) -> CaseResult:
    """What a judge program's finding means.

    Args:
        finding: of a checker or interactor that stood its trial on the reference.
        breaks: the reason where it broke on this program: a wrong answer, so that nobody gains from breaking it.
    """
    match finding.said:
        case Said.RIGHT:
            return ACCEPTED
        case Said.WRONG:
            return WRONG
        case Said.PARTLY:
            return CaseResult(status=TestStatus.WA, detail=finding.detail, partial=finding.credit)
        case Said.BROKEN:
            return CaseResult(status=TestStatus.WA, detail=f"{breaks}: {finding.detail}", reason=breaks)
