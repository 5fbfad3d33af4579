"""Tests that share what is dear to set up stay together when several processes run them (``pytest -n``)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.sandboxes import MAKERS

# On a busy machine time says nothing of the code.
settings.register_profile("assay", deadline=None)
settings.load_profile("assay")

_NUMBERS = itertools.count()

if TYPE_CHECKING:
    from xdist.remote import Producer


class ByBackend(LoadScopeScheduling):
    """One process at a time takes the tests of a file, or those of a file that are on one backend."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, name = nodeid.partition("::")
        parameters = name.partition("[")[2]
        backends = [backend for backend in MAKERS if parameters.startswith((f"{backend}-", f"{backend}]"))]
        return f"{path} {max(backends, key=len, default='')}"


@pytest.fixture(autouse=True, scope="session")
def _stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or fills the verdict store of who runs it."""
    folder = tmp_path_factory.mktemp("stores")
    patch = pytest.MonkeyPatch()
    patch.setenv("ASSAY_VERDICT_STORE", str(folder / "shared.sqlite"))
    yield folder
    patch.undo()


@pytest.fixture(autouse=True)
def _own_verdicts(_stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is told what another had judged."""
    monkeypatch.setenv("ASSAY_VERDICT_STORE", str(_stores / f"{next(_NUMBERS)}.sqlite"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByBackend:
    return ByBackend(config, log)
