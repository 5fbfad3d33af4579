"""Curation of Parquet shards of completions with the verifier's own judging: the command ``curate``."""

import os

# Arrow and polars give freed memory back to the system within milliseconds, and each frame of texts takes it anew: a
# tenth of a run went into clearing pages. They read these when they are first imported.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "10000")
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:10000")
