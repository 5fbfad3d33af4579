"""Programs judged against tests: languages, comparison, and the verdict.

Imports nothing, as readers of data sets need the names of languages and no judge.
"""
