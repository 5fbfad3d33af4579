"""Programs judged against tests: languages, comparison, and the verdict."""

from verifier.judging.judge import Judged, ProgramJudge
from verifier.judging.languages import LANGUAGES, Language
from verifier.judging.limits import Bounds

__all__ = ["LANGUAGES", "Bounds", "Judged", "Language", "ProgramJudge"]
