"""Reward verification for training reasoning models: groups of completions in, verdicts and rewards out."""
