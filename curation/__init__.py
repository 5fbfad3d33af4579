"""Curation of Parquet shards of completions with the verifier's own judging: the command ``curate``."""

import os

# The libraries read these when they are first imported.
# Shards are worked on side by side, and to share out one frame among threads costs a tenth more than it takes.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Arrow and polars else give freed memory back within milliseconds, and each frame of texts takes it anew: a tenth of a
# run went into clearing pages.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "10000")
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:10000")
