"""Step ``refusal``: answers that refuse, or that say which model wrote them.

The patterns stand here, one phrase a line, and are tried without regard to case; ``{cannot}`` and the like are words of
``_WORDS``. A phrase must be one that no answer to a task needs: "I cannot conclude" and "cannot be determined" are
mathematics, "I can't help with that" is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep

_WORDS = {
    "i_am": r"\bI(?:['’]m| am| was)",
    "cannot": (
        r"\bI(?:['’]m| am)? (?:cannot|can['’]t|can not|could not|couldn['’]t|won['’]t|will not|unable to|not able to)"
    ),
    "sorry": r"(?:sorry|apologi[sz]e|apologies|regret)\b[^.!?\n]{0,40}",
    "ai": r"(?:AI|artificial intelligence|large language|language)",
    "kind": r"(?:language model|model|assistant|chatbot|bot)",
    "made": r"(?:developed|created|trained|made|built|designed|provided)",
    "vendor": (
        r"(?:Open ?AI|Anthropic|Google|DeepMind|Meta AI|Meta\b|Microsoft|DeepSeek|Alibaba|Tongyi|Mistral AI|xAI"
        r"|Moonshot AI|Zhipu|Baidu|ByteDance|Tencent|MiniMax|01\.AI|Cohere|NVIDIA|Reka|深度求索|阿里|通义|百度|字节"
        r"|腾讯|智谱|月之暗面|科大讯飞|百川|零一万物|谷歌|微软)"
    ),
    "model": (
        r"(?:ChatGPT|GPT-?[345]|Qwen|DeepSeek|ChatGLM|GLM-?\d|Kimi|Doubao|ERNIE Bot|Mixtral|Gemma|Baichuan|Hunyuan"
        r"|通义千问|文心一言|豆包|智谱清言|讯飞星火|腾讯混元|混元|百川)"
    ),
    "name": r"(?:Claude|Gemini|Bard|Grok|Llama|Mistral|Copilot|Phi|Yi|Command)",
    "of": "(?: type of| kind of)?",
    "task": "(?:request|question|prompt|task|query)",
    "sorry_zh": "(?:抱歉|对不起|不好意思)",
    "cannot_zh": "(?:无法|不能|没办法|没有办法)",
    "you_zh": "(?:[为向给][您你])",
    "ai_zh": r"(?:人工智能|AI|大型?语言|大语言|语言)(?:语言)?(?:大?模型|助手|助理|程序|系统)",
}

_REFUSALS = (
    r"{cannot} (?:assist|comply|engage in|participate in|help (?:you )?(?:with|create|write|make))\b",
    r"{cannot} (?:provide|offer|give)(?: you)?(?: with)? (?:any )?(?:assistance|help|guidance|instructions|support)\b",
    r"{cannot} (?:fulfill?|answer|complete|process|continue with|respond to) (?:this|that|your|such){of} {task}s?\b",
    r"{sorry}{cannot} (?:do|discuss|answer|share|write|create|generate) (?:that|this)\b",
    r"\bI (?:must|have to|will have to|need to) (?:respectfully |politely )?(?:decline|refuse)\b",
    r"\b(?:against|violates?|outside) (?:my|our|OpenAI['’]s|the) (?:programming|(?:content|usage|use[- ]case) polic)",
    r"\b(?:against|violates?) (?:my|our|OpenAI['’]s|the) (?:safety |ethical |content )?guidelines",
    r"{i_am} not (?:programmed|allowed|permitted|designed) to (?:help|assist|provide|discuss|answer|engage|generate)\b",
    r"{i_am} not comfortable (?:with )?(?:helping|assisting|providing|discussing|answering|engaging|generating)\b",
    r"{sorry_zh}[^。！？\n]{{0,12}}{cannot_zh}(?:继续)?{you_zh}?(?:提供|回答|协助|帮助|满足|处理|参与|讨论|生成)",
    r"我(?:暂时)?{cannot_zh}{you_zh}(?:提供|回答|解答)",
    r"我{cannot_zh}(?:协助|帮助|满足)(?:您|你|这个|这一|该|此类)",
    r"{cannot_zh}(?:满足|执行|回应)(?:您|你)的(?:请求|要求)",
    r"我们?换个话题",
)

_SELF = (
    r"\bas an? {ai}(?:[ -](?:language )?{kind})?(?:,? {made} by [^.,\n]{{1,40}})?,? (?:I\b|my\b|it is not)",
    r"\bas an? [\w-]+ AI, I\b",
    r"{i_am}(?: just| only| actually| simply)?,? an? {ai}[ -]?(?:language )?{kind}\b",
    r"{i_am}(?: just| only| actually| simply)?,? an? AI(?:[.,;!]| {made} by| and (?:I|don|can)\b)",
    r"(?:{i_am}|\bmy name is|\bI am called) {model}\b",
    r"(?:{i_am}|\bmy name is) {name}\b[^.!?\n]{{0,20}}\b(?:an? (?:{ai}|{kind})|{made} by {vendor})",
    r"{i_am}(?:,? an? [\w -]{{0,40}}{kind})?,? {made} by (?:the )?(?:\w+ )?(?:team at |researchers at )?{vendor}",
    r"\bmy (?:knowledge cut-?off|training data (?:only |goes|ends|includes))",
    r"作为(?:一个|一名|一款|一种)?(?:由{vendor}[^，。\n]{{0,8}}的)?(?:{ai_zh}|人工智能|AI)[，,]?\s*我",
    r"我(?:是|叫)(?:一个|一款|一名|由|来自)?[^，。！？\n]{{0,12}}{ai_zh}",
    r"我(?:是|叫|的名字是)\s*{model}",
    r"我是由\s*{vendor}[^，。\n]{{0,8}}(?:开发|训练|研发|创造|打造)",
)

_HINTS = [
    *("an ai", "language model", "artificial intelligence", "my knowledge cut", "my training data", "人工智能", "语言"),
    *("chatgpt", "gpt-", "gpt3", "gpt4", "qwen", "deepseek", "glm", "kimi", "doubao", "ernie bot", "mixtral", "gemma"),
    *(
        "baichuan",
        "hunyuan",
        "通义",
        "文心一言",
        "豆包",
        "智谱",
        "讯飞",
        "混元",
        "百川",
        "openai",
        "open ai",
        "anthropic",
    ),
    *("google", "deepmind", "by meta", "microsoft", "alibaba", "mistral", "xai", "moonshot", "zhipu", "baidu"),
    *("bytedance", "tencent", "minimax", "01.ai", "cohere", "nvidia", "reka", "claude", "gemini", "grok", "llama"),
    *("i am bard", "i'm bard", "i’m bard", "copilot", " ai, i", "作为", "我是", "我叫", "名字是"),
]
"""One of them stands in every text that a pattern of ``_SELF`` finds."""

_START_CHARS = 1_000


def _any_of(patterns: Sequence[str]) -> str:
    # A boundary between Unicode words costs ten times as much.
    return "(?i)" + "|".join(pattern.format(**_WORDS) for pattern in patterns).replace(r"\b", r"(?-u:\b)")


@dataclass(frozen=True)
class Refusal(TextStep):
    """Drops answers that refuse the task, and answers in which a model names itself; looks at no reasoning.

    Reasons: ``refusal``: one of the phrases of a refusal, English or Chinese, stands in the first 1,000 characters of
    the answer ("I can't assist with", "I must decline", "抱歉，我无法回答"). ``self_identification``: anywhere in the
    answer the writer calls itself a language model or an AI, or by the name of a model or its maker ("as an AI
    language model, I", "I am ChatGPT", "I was developed by", "我是通义千问"). The answer is what follows the
    reasoning; without think tags, the whole completion.

    Example:
        ``"I'm sorry, but I can't help with that."`` is dropped; ``"I'm sorry for the slip: x cannot be
        determined."`` is kept.

    Source:
        The phrases of self-identification go further than those of allenai/open-instruct's keyword filter in what
        they ask for around a name, so that a text about a model stays; those of refusal are this project's.
    """

    name: ClassVar[str] = "refusal"
    needs_parts: ClassVar[bool] = True

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """The answer, and the answer where it may name its writer."""
        answer = pl.col("tail")
        hinted = answer.str.contains_any(_HINTS, ascii_case_insensitive=True)
        return ({"hinted_": pl.when(hinted).then(answer).otherwise(pl.lit(""))},)

    def rules(self) -> Sequence[Rule]:
        """Refusals first, as many name the model too."""
        start = pl.col("tail").str.strip_chars_start().str.head(_START_CHARS)
        return [
            Rule(reason="refusal", drops=start.str.contains(_any_of(_REFUSALS))),
            Rule(reason="self_identification", drops=pl.col("hinted_").str.contains(_any_of(_SELF))),
        ]
