"""Programs judged against tests: languages, comparison, and the verdict."""

from verifier.judging.judge import Judged, ProgramJudge
from verifier.judging.languages import LANGUAGES, Language

__all__ = ["LANGUAGES", "Judged", "Language", "ProgramJudge"]
