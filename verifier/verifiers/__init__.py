"""The verifiers, by name.

To add one: a module with a factory (see ``verifier.verifiers.base.VerifierFactory``) and its line in ``VERIFIERS``.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.equivalence import MATH_TASKS
from verifier.verifiers.base import VerifierFactory
from verifier.verifiers.code import CodeVerifier
from verifier.verifiers.format import format_verifier
from verifier.verifiers.judge import judge_verifier
from verifier.verifiers.language import LANGUAGE_TASKS, language_verifier
from verifier.verifiers.math import MathVerifier

VERIFIERS: Mapping[str, VerifierFactory] = {
    "math": MathVerifier,
    "code": CodeVerifier,
    "format": format_verifier,
    "language": language_verifier,
    "judge": judge_verifier,
}

TASKS: Mapping[str, str] = {**MATH_TASKS, **LANGUAGE_TASKS}
"""What the verifiers have the worker pool run: name of the task -> ``module:function``."""
