"""Standard instructions, which stand in many prompts and tell nothing of a problem."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from curation.words import Flags, Hashes, Words, grams, mark, words_of

INSTRUCTIONS = (
    "you are a helpful assistant",
    "you are a helpful and harmless assistant",
    "you should think step by step",
    "think carefully",
    "please think carefully about the following question",
    "answer the following question",
    "solve the following problem",
    "here is the question",
    "here is the problem",
    "here is the task",
    "show your work",
    "show all your work",
    "explain your reasoning",
    "explain your answer",
    "check your answer",
    "check each of your steps",
    "do not skip any steps",
    "do not skip anything",
    "write in complete sentences",
    "give the final answer in a box",
    "return your final response within boxed",
    "put your answer within boxed",
    "in your final answer",
    "let's think step by step",
    "think step by step",
    "please reason step by step",
    "reason step by step",
    "and put your final answer within boxed",
    "and output the final answer within boxed",
    "put your final answer in boxed",
    "put the final answer in boxed",
    "solve the following math problem efficiently and clearly",
    "solve the following math problem step by step",
    "the last line of your response should be of the following format",
    "the last line of your response should be of the form",
    "therefore the final answer is",
    "I hope it is correct",
    "where answer is just the final number or expression that solves the problem",
    "where answer is the answer to the problem",
    "answer the following multiple choice question",
    "select the correct answer from the following choices",
    "which of the following statements is true",
    "which of the following statements are true",
    "which of the following is correct",
    "which of the following is closest to",
    "express your answer as a common fraction",
    "express your answer in simplest form",
    "express your answer in interval notation",
    "in simplest form",
    "in simplest radical form",
    "in lowest terms",
    "round your answer to the nearest",
    "be positive integers such that",
    "be positive real numbers such that",
    "be real numbers such that",
    "are positive integers",
    "where a and b are integers",
    "are considered the same if one is a rotation of the other",
    "can be expressed as",
    "can be written as",
    "can be written in the form",
    "m and n are relatively prime positive integers",
    "p and q are relatively prime positive integers",
    "a and b are relatively prime positive integers",
    "find m n",
    "find p q",
    "find a b",
    "you are given an array of integers",
    "you are given an integer array",
    "you are given a string",
    "given an array of integers",
    "given an integer array",
    "nums and an integer",
    "you may assume that each input would have exactly one solution",
    "you can return the answer in any order",
    "you may return the answer in any order",
    "return the answer in any order",
    "since the answer may be very large return it modulo 10 9 7",
    "the first line contains a single integer",
    "the first line contains an integer",
    "the first line contains two integers",
    "the first line of input contains",
    "the first line of the input contains",
    "the first line of each test case contains",
    "the second line of each test case contains",
    "a single integer",
    "two integers n and",
    "the number of test cases",
    "each test contains multiple test cases",
    "it is guaranteed that the sum of",
    "over all test cases does not exceed",
    "the description of the test cases follows",
    "for each test case output",
    "for each test case print",
    "print a single integer",
    "read the inputs from stdin solve the problem and write the answer to stdout",
    "from typing import",
    "请一步一步推理",
    "请逐步推理",
    "并将最终答案放入",
    "并将最终答案放在",
    "并把最终答案放在",
    "把你的最终答案放在",
    "请你仔细阅读下面的题目",
    "请仔细阅读下面的题目",
    "阅读下面的题目",
    "请解答下面的问题",
    "然后给出详细的解题步骤",
    "给出详细的解题步骤",
    "最后写出答案",
    "下列说法正确的是",
    "下列说法错误的是",
    "下列说法中正确的是",
    "下列说法中错误的是",
    "下列选项中正确的是",
    "以下说法正确的是",
    "从下面的选项中选出正确的答案",
)
"""What many prompts ask for, whatever the problem; compared by words."""

_PLAIN = """
    a above all an and answer any are as at be been below best by calculate can choose compute consider correct
    could determine did do does each equation equations evaluate every exactly explain expression false find
    following for from give given gives had has have he her here his how if in into is it its let many may much
    must no not number numbers of on one or other please problem prove question reason result she should show
    simplify solution solutions solve some statement statements step steps such suppose than that the their them
    then there these they this those to true under use using value values was we were what when where which who
    whose why will with would write you your
"""
PLAIN = frozenset(_PLAIN.split())
"""Words that ask, and name nothing."""


def instructed(words: Words, hashes: Hashes) -> Flags:
    """Which words of texts stand in one of ``INSTRUCTIONS``.

    Args:
        words: of the texts.
        hashes: of the words, with numbers masked.
    """
    flags = np.zeros(len(hashes), np.bool_)
    firsts, phrases = _phrases()
    starts = np.flatnonzero(np.isin(hashes, firsts))
    for size, keys in phrases:
        runs = grams(hashes, size)
        places = starts[starts < len(runs)]
        mark(flags, words, places[np.isin(runs[places], keys)], size)
    return flags


@lru_cache(1)
def _phrases() -> tuple[Hashes, tuple[tuple[int, Hashes], ...]]:
    """The hashes of the first words of phrases, and those of the phrases by their number of words."""
    phrases = words_of(pl.Series(INSTRUCTIONS), has_signs=False)
    hashes, starts, sizes = phrases.hashes(masks_numbers=True), phrases.rows[:-1], np.diff(phrases.rows)
    by_size = ((size, grams(hashes, size)[starts[sizes == size]]) for size in np.unique(sizes).tolist())
    return np.unique(hashes[starts]), tuple(by_size)
