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
        r"\bI(?:['’]m| am)? (?:cannot|can['’]t|can not|won['’]t be able to|will not be able to|won['’]t"
        r"|will not|unable to"
        r"|not able to)"
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
    "do": (
        "(?:answer|help|assist|provide|comply|respond|engage|participate|discuss|create|generate|continue|write|share)"
    ),
    "task": "(?:request|question|prompt|task|query)",
    "sorry_zh": "(?:抱歉|对不起|不好意思)",
    "cannot_zh": "(?:无法|無法|不能|没办法|没有办法|沒辦法)",
    "you_zh": "(?:[为為向给給][您你])",
    "some": "(?:that|this|such|any|these|those|the requested|harmful|illegal|explicit|inappropriate|unethical)",
    "ai_zh": r"(?:人工智能|AI|大型?语言|大语言|语言)(?:语言)?(?:大?模型|助手|助理|程序|系统)",
}

_REFUSALS = (
    r"{cannot} (?:assist|comply|engage in|participate in|help (?:you )?(?:with|create|write|make))\b",
    r"{cannot} (?:provide|offer|give)(?: you)?(?: with)? (?:any )?(?:assistance|help|guidance|instructions|support)\b",
    (
        r"{cannot} (?:provide|offer|give|share|generate|create|produce"
        r"|write)(?: you)?(?: with)? {some} (?:kind of |type of )?"
        r"(?:information|content|material|details|advice|request)\b"
    ),
    r"{cannot} (?:provide|offer|give)(?: you)?(?: with)? (?:any )?(?:information|advice) (?:on|about|regarding)\b",
    r"{cannot} (?:create|generate|produce|write) (?:any )?(?:[\w-]+ )?content\b",
    r"{cannot} (?:fulfill?|answer|complete|process|continue with|respond to) (?:this|that|your|such){of} {task}s?\b",
    (
        r"{cannot} (?:discuss|talk about|engage with|continue(?: with)?) (?:that|this|such)(?: topic| subject"
        r"| conversation|[.,!])"
    ),
    r"{sorry}{cannot} (?:do|discuss|answer|share|write|create|generate|engage with) (?:that|this)\b",
    r"\bI cannot and will not\b",
    (
        r"\bI (?:must|have to|will have to|need to) (?:respectfully |politely )?(?:decline|refuse)(?: to {do}\b|"
        r" (?:this|that|your|such){of} {task}|[.,;!])"
    ),
    r"\bI refuse to {do}\b",
    r"\b(?:against|violates?|outside) (?:my|our|OpenAI['’]s|the) (?:programming|(?:content|usage|use[- ]case) polic)",
    r"\b(?:against|violates?) (?:my|our|OpenAI['’]s|the) (?:safety |ethical |content )?guidelines",
    r"{i_am} not (?:programmed|allowed|permitted|designed) to (?:help|assist|provide|discuss|answer|engage|generate)\b",
    (
        r"\bI(?:['’]m| am| do|)(?: not|n['’]t)(?: feel)? comfortable (?:with )?"
        r"(?:helping|assisting|providing|discussing|answering|engaging|generating)\b"
    ),
    r"\bthat['’]s beyond my current scope",
    r"{i_am} not sure how to approach this type of question",
    (
        r"{sorry_zh}[^。！？\n]{{0,12}}{cannot_zh}(?:继续)?{you_zh}?(?:提供|回答|协助|協助|帮助|幫助|满足|滿足"
        r"|处理|參與|参与|讨论|生成)"
    ),
    r"我(?:暂时)?{cannot_zh}{you_zh}(?:提供|回答|解答)",
    r"我{cannot_zh}(?:协助|協助|帮助|幫助|满足|滿足)(?:您|你|这个|這個|这一|该|此类)",
    r"我{cannot_zh}提供(?:这|這|该|此|任何|相关)[^，。！？\n]{{0,6}}(?:帮助|幫助|协助|信息|服务|内容)",
    r"{cannot_zh}(?:满足|滿足|执行|回应)(?:您|你)的(?:请求|要求|請求)",
    r"我们?换个话题|没有学会(?:如何)?(?:思考|回答)这类问题",
)

_REFUSALS_ABROAD = (
    r"no puedo (?:ayudar(?:te|le|los?|las?|os)? con|cumplir con (?:esa|esta|tu|su)|asistir(?:te|le)?)",
    (
        r"no puedo (?:proporcionar|ofrecer|dar|brindar)(?:te|le)? (?:esa|ese|este|esta|dicha|información"
        r"|instrucciones|ayuda)"
    ),
    r"no puedo (?:responder|contestar)(?:te|le)? (?:a )?(?:esa|esta|tu|su)",
    (
        r"(?:não|nao) posso (?:te |lhe )?(?:ajudar|atender|cumprir (?:com )?(?:essa|esta|ess|est)"
        r"|(?:fornecer|responder)(?: a)? (?:ess|est|sua|informa|instru))"
    ),
    (
        r"non posso (?:aiutar(?:ti|la|vi)|assister(?:ti|la|vi)|soddisfare (?:questa|la tua)"
        r"|rispondere a (?:questa|tale)"
        r"|fornire (?:quest|informazioni|istruzioni))"
    ),
    (
        r"je ne (?:peux|suis) (?:malheureusement )?pas (?:en mesure de |autorisée? à )?(?:vous |t['’])?"
        r"(?:aider|assister"
        r"|répondre à (?:cette|votre|ta)|fournir (?:ces|cette|des (?:informations|instructions))"
        r"|satisfaire (?:cette|votre))"
    ),
    r"ich (?:kann|darf) (?:(?:ihnen|dir|euch|leider|dabei|damit|hierbei) ){{0,3}}nicht (?:weiter)?helfen",
    r"kann ich (?:(?:ihnen|dir|euch|leider|dabei|damit) ){{0,3}}nicht (?:weiter)?helfen",
    r"ich kann (?:diese|ihre|deine|solche) \w+ (?:leider )?nicht (?:erfüllen|beantworten|bearbeiten)",
    r"не (?:могу|смогу) (?:вам |тебе |с этим |в этом )*помочь",
    r"не (?:могу|смогу) (?:ответить на|выполнить|обсуждать|предоставить) (?:эт|ваш|тво|данн|так|подобн)",
    r"(?:お応え|お答え|お手伝い|ご協力)(?:することは|することが|は|が)?(?:でき(?:ません|かね)|いたしかね)",
    (
        r"(?:申し訳|すみません|ごめんなさい)[^。\n]{{0,40}}(?:対応|提供|回答|支援)(?:することは|することが|は"
        r"|が)?でき(?:ません|かね)"
    ),
    r"(?:도와 ?드릴|도움을 드릴|답변(?:해 ?드릴|드릴|할)|대답(?:해 ?드릴|할)) 수(?:가|는)? 없(?:습니다|어요|네요)",
    r"(?:죄송|미안)[^\n]{{0,40}}(?:제공|수행|처리|응답|생성)(?:해 ?드릴|할) 수(?:가|는)? 없(?:습니다|어요|네요)",
    r"(?:لا يمكنني|لا أستطيع|لن أستطيع) (?:ال)?(?:مساعد|إجابة على هذا|تلبية)",
    (
        r"không thể (?:giúp|hỗ trợ) (?:bạn|điều)|không thể (?:đáp ứng|trả lời|cung cấp) (?:yêu cầu|câu hỏi"
        r"|thông tin) (?:này|đó)"
    ),
    r"nie mogę (?:(?:w|ci|tym|panu|pani) ){{0,3}}(?:pomóc|spełnić (?:tej|twojej)|odpowiedzieć na to)",
    r"yardımcı olam(?:am|ıyorum|ayacağım)",
    r"tidak (?:dapat|bisa) (?:membantu (?:anda|dengan|itu)|memenuhi permintaan|menjawab pertanyaan (?:itu|ini))",
    r"ไม่สามารถ(?:ช่วย(?:เหลือ)?(?:คุณ|เรื่อง)|ตอบคำถามนี้|ให้ข้อมูลนี้)",
    r"मदद नहीं कर सकत",
)
"""Of other languages than English and Chinese: only what no answer to a task needs, as "no puedo simplificar" does."""

_ABROAD = [
    *("no puedo", "posso", "je ne", "kann", "darf", "могу", "ません", "かね", "없", "يمكنني", "أستطيع", "không thể"),
    *("nie mogę", "olama", "olamı", "tidak", "สามารถ", "मदद"),
]
"""One of them stands in every text that a pattern of ``_REFUSALS_ABROAD`` finds."""

_SELF = (
    r"\bas an? {ai}(?:[ -](?:language )?{kind})?(?:,? {made} by [^.,\n]{{1,40}})?,? (?:I\b|my\b|it is not)",
    r"\b(?:being|as) an? (?:[\w-]+ )?AI(?: {kind})?, (?:I|my)\b|\bI, as an? {ai}(?: {kind})?,",
    r"{i_am}(?: just| only| actually| simply)?,? an? {ai}[ -]?(?:language )?{kind}\b",
    (
        r"{i_am}(?: just| only| actually| simply)?,? an? (?:AI|artificial intelligence)(?:[.,;!]| {made} by"
        r"| and (?:I|don['’]t|do|can|cannot|have)\b)"
    ),
    r"(?:{i_am}|\bmy name is|\bI am called) {model}\b",
    r"(?:{i_am}|\bmy name is) {name}\b[^.!?\n]{{0,20}}\b(?:an? (?:{ai}|{kind})|{made} by {vendor})",
    r"{i_am}(?:,? an? [\w -]{{0,40}}{kind})?,? {made} by (?:the )?(?:\w+ )?(?:team at |researchers at )?{vendor}",
    r"\bmy (?:knowledge cut-?off|training data (?:only |goes|ends|includes))",
    r"作[为為](?:一个|一個|一名|一款|一种)?(?:由{vendor}[^，。\n]{{0,8}}的)?(?:{ai_zh}|人工智能|AI)[，,]?\s*我",
    r"我(?:是|叫)(?:一个|一個|一款|一名|由|来自)?[^，。！？\n]{{0,12}}{ai_zh}",
    r"我(?:是|叫|的名字是)\s*{model}",
    r"我是由?[^，。！？\n]{{0,8}}{vendor}[^，。\n]{{0,16}}(?:开发|训练|研发|创造|打造|推出)",
)

_SELF_ABROAD = (
    (
        r"\b(?:soy|como) (?:solo )?(?:un |una )?(?:gran )?(?:modelo de lenguaje|IA"
        r"|inteligencia artificial)(?: de IA| grande)?"
        r"(?:[.,]| y no| desarroll| entren| cread)"
    ),
    (
        r"\b(?:sou|como) (?:apenas )?(?:um |uma )?(?:grande )?(?:modelo de linguagem|IA"
        r"|intelig[eê]ncia artificial)(?: de IA)?"
        r"(?:[.,]| e não| desenvolv| trein| criad)"
    ),
    (
        r"\b(?:sono|come) (?:solo )?(?:un |una |un['’])?(?:modello linguistico|IA"
        r"|intelligenza artificiale)(?:[.,]| e non| svilupp)"
    ),
    (
        r"\b(?:je suis|en tant que|en tant qu['’]) ?(?:un |une )?(?:grand )?(?:modèle de langage|IA\b"
        r"|intelligence artificielle)"
    ),
    (
        r"\bals (?:eine? )?(?:großes )?(?:KI|Sprachmodell|künstliche Intelligenz)(?:-\w+)? (?:habe|kann|bin"
        r"|verfüge|darf) ich"
    ),
    r"\bich bin (?:nur )?eine? (?:großes )?(?:KI|Sprachmodell|künstliche Intelligenz)\b",
    r"как (?:большая )?(?:языковая модель|искусственный интеллект|ИИ)[^.\n]{{0,20}}, (?:я|у меня) ",
    r"я[ —–-]{{1,4}}(?:большая |всего лишь )?(?:языковая модель|искусственный интеллект|ИИ[ ,.])",
    r"私は(?:AI|人工知能|大規模言語モデル|言語モデル)(?:アシスタント|モデル)?(?:な|です|で、|として)",
    r"AI(?:言語モデル|アシスタント|モデル)?として、?(?:私|個人的)",
    r"(?:저는|나는) (?:그저 )?(?:AI|인공지능|대규모 언어 모델|언어 모델)",
    r"(?:AI|인공지능)(?: 언어)?(?: 모델| 어시스턴트)?(?:로서|이기 때문에) (?:저는|제가|나는)",
    r"(?:\bsoy|\bje suis|\bich bin|\bsono|\bsou|я[ —–-]{{1,3}}|私は|저는) ?{model}",
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
    *(
        "modelo de l",
        "como una ia",
        "como uma ia",
        "soy ",
        "sou ",
        "sono",
        "como ia",
        "come ia",
        "come una ia",
        "je suis",
        "en tant qu",
        "sprachmodell",
        "ich ",
    ),
    *("искусственный", "языковая", "ИИ", "私は", "AI言語", "AIとして", "AIアシ", "저는", "나는", "인공지능", "AI "),
    *("i am bard", "i'm bard", "i’m bard", "copilot", " ai, i", "作为", "作為", "我是", "我叫", "名字是"),
]
"""One of them stands in every text that a pattern of ``_SELF`` or ``_SELF_ABROAD`` finds."""

_START_CHARS = 1_000


def _any_of(patterns: Sequence[str]) -> str:
    # A boundary between Unicode words costs ten times as much.
    return "(?i)" + "|".join(pattern.format(**_WORDS) for pattern in patterns).replace(r"\b", r"(?-u:\b)")


def _rule(reason: str, patterns: Mapping[str, str]) -> Rule:
    """Drops what the pattern of one of these columns finds."""
    return Rule(
        reason=reason,
        drops=pl.any_horizontal(pl.col(name).str.contains(pattern) for name, pattern in patterns.items()),
        detail=pl.coalesce(pl.col(name).str.extract(pattern, 0) for name, pattern in patterns.items()),
    )


@dataclass(frozen=True)
class Refusal(TextStep):
    """Drops answers that refuse the task, and answers in which a model names itself; looks at no reasoning.

    Reasons: ``refusal``: one of the phrases of a refusal, in English, Chinese or one of some fifteen other languages,
    stands in the first 1,000 characters of the answer ("I can't assist with", "I must decline", "抱歉，我无法回答").
    ``self_identification``: anywhere in the answer the writer calls itself a language model or an AI, or by the name
    of a model or its maker ("as an AI language model, I", "I am ChatGPT", "I was developed by", "我是通义千问"). The
    answer is what follows the reasoning; without think tags, the whole completion. Detail: the phrase.

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
        """The start of the answer, and what of it may refuse in another language or name its writer."""
        answer, start = pl.col("tail"), pl.col("start_")
        return (
            {"start_": answer.str.strip_chars_start().str.head(_START_CHARS), "hinted_": _hinted(answer, _HINTS)},
            {"abroad_": _hinted(start, _ABROAD)},
        )

    def rules(self) -> Sequence[Rule]:
        """Refusals first, as many name the model too."""
        return [
            _rule("refusal", {"start_": _any_of(_REFUSALS), "abroad_": _any_of(_REFUSALS_ABROAD)}),
            _rule("self_identification", {"hinted_": _any_of((*_SELF, *_SELF_ABROAD))}),
        ]


def _hinted(text: pl.Expr, hints: Sequence[str]) -> pl.Expr:
    """The texts with a hint in them; others are empty."""
    return pl.when(text.str.contains_any(list(hints), ascii_case_insensitive=True)).then(text).otherwise(pl.lit(""))
