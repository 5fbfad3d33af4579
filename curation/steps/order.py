"""Random orders that follow from a seed and from content, so that neither shards nor threads change them."""

from __future__ import annotations

import numpy as np
import polars as pl

from curation.words import Hashes, spread

MOST_SEED = (1 << 64) - 1

_STEP = np.uint64(0x9E3779B97F4A7C15)


def shuffled(keys: pl.Series, seed: int) -> pl.Series:
    """A number for each key, by which to order in a random way; the same for equal keys.

    Source:
        The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).

    Args:
        keys: hashes of 64 bits, such as ``group``.
        seed: of the order.
    """
    numbers = keys.to_numpy()
    salt = mixed(np.array([seed], dtype=np.uint64))
    return pl.Series("order", mixed(numbers ^ salt), dtype=pl.UInt64)


def mixed(numbers: Hashes) -> Hashes:
    """Whole numbers of 64 bits, scattered; SplitMix64 as a whole, as 0 would stay 0 without its step."""
    return spread(numbers + _STEP)
