"""A language model as the judge of answers that no rule can compare: DeepSeek-R1's generative reward.

``options`` says what a judge is, ``prompts`` what it is asked, ``replies`` what counts of its answer, ``chat`` carries
both, ``judge`` makes one verdict of them, and ``references`` tells which gold answers are texts. Nothing is imported
here, so that who only reads options does not wait for the HTTP client.
"""
