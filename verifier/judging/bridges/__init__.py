"""Scripts of tests in other languages than Python. To add one: a module, and its entry in ``BRIDGES``."""

from collections.abc import Mapping
from types import MappingProxyType

from verifier.judging.bridges.base import CALLS, Bridge, TesterExit
from verifier.judging.bridges.bash import BashBridge
from verifier.judging.bridges.cpp import CppBridge
from verifier.judging.bridges.go import GoBridge
from verifier.judging.bridges.java import JavaBridge
from verifier.judging.bridges.javascript import JavaScriptBridge
from verifier.judging.bridges.rust import RustBridge

__all__ = ["BRIDGES", "CALLS", "Bridge", "TesterExit"]

BRIDGES: Mapping[str, Bridge] = MappingProxyType(
    {
        "bash": BashBridge(),
        "cpp": CppBridge(),
        "go": GoBridge(),
        "java": JavaBridge(),
        "javascript": JavaScriptBridge("javascript"),
        "rust": RustBridge(),
        "typescript": JavaScriptBridge("typescript"),
    }
)
"""By the name of the language. A script in a language that is not here is UNSCORABLE."""
