"""A language model as the judge of answers that no rule can compare, or score: DeepSeek-R1's generative reward.

``options`` says what a judge is, ``prompts`` what it is asked, ``replies`` what counts of its answer, ``chat`` carries
both, ``panel`` gathers votes, ``judge`` makes one verdict of them and ``score`` one number, and ``references`` tells
which gold answers are texts. Nothing is imported here, so that who only reads options waits for no HTTP client.
"""
