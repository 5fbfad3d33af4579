"""The verifiers, by name.

To add one: a module with a factory (see ``verifier.verifiers.base.VerifierFactory``) and its line in ``VERIFIERS``.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.verifiers.base import VerifierFactory

VERIFIERS: Mapping[str, VerifierFactory] = {}
