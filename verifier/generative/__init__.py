"""A language model as the judge of answers that no rule can compare: DeepSeek-R1's generative reward.

``prompts`` says what it is asked, ``replies`` what counts of its answer, ``chat`` carries both, and ``judge`` makes one
verdict of them.
"""

from verifier.generative.chat import Connections
from verifier.generative.judge import NAME as JUDGE
from verifier.generative.judge import JudgeModel, JudgeOptions, final_answer, identity_of, judge_options
from verifier.generative.references import is_prose_reference, reference_text

__all__ = [
    "JUDGE",
    "Connections",
    "JudgeModel",
    "JudgeOptions",
    "final_answer",
    "identity_of",
    "is_prose_reference",
    "judge_options",
    "reference_text",
]
