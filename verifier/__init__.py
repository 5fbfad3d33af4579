"""Reward verification for training reasoning models: groups of completions in, verdicts and rewards out.

from verifier import Group, MathReference, open_engine

with open_engine(recipe="r1") as engine:
    results = engine.verify([Group(id="1", completions=("...",), reference=MathReference(answers=("2",)))])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from verifier.errors import (
    InfrastructureError,
    InvalidRequestError,
    OverloadedError,
    ServerUnavailableError,
    VerifierError,
)
from verifier.types import (
    CallTest,
    CodeReference,
    Comparison,
    EngineInfo,
    Framework,
    Group,
    GroupResult,
    JudgeProgram,
    MathReference,
    Outcome,
    Protocol,
    Reference,
    Scored,
    Scoring,
    SourceFile,
    StdioTest,
    TestGroup,
    TestResult,
    TestStatus,
    Tolerance,
    Verdict,
)

if TYPE_CHECKING:
    from verifier.handle import Client, EngineHandle, open_engine

__all__ = [
    "CallTest",
    "Client",
    "CodeReference",
    "Comparison",
    "EngineHandle",
    "EngineInfo",
    "Framework",
    "Group",
    "GroupResult",
    "InfrastructureError",
    "InvalidRequestError",
    "JudgeProgram",
    "MathReference",
    "Outcome",
    "OverloadedError",
    "Protocol",
    "Reference",
    "Scored",
    "Scoring",
    "ServerUnavailableError",
    "SourceFile",
    "StdioTest",
    "TestGroup",
    "TestResult",
    "TestStatus",
    "Tolerance",
    "Verdict",
    "VerifierError",
    "open_engine",
]

_HANDLES = ("Client", "EngineHandle", "open_engine")


def __getattr__(name: str) -> object:
    # Late, because every judging process imports this package and none of them needs gRPC.
    if name in _HANDLES:
        return getattr(importlib.import_module("verifier.handle"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
