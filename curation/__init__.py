"""Curation of Parquet shards of completions with the verifier's own judging: the command ``curate``."""
