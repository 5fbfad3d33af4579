"""Tests that share what is dear to set up stay together when several processes run them (``pytest -n``)."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "unit" not in item.path.parts:
            callspec = getattr(item, "callspec", None)
            backend = callspec.params.get("sandbox", "") if callspec is not None else ""
            item.add_marker(pytest.mark.xdist_group(f"{item.path.name} {backend}"))
