"""A declaration that comes from the program is the program's own doing, also where no tester can be made of it."""

from __future__ import annotations

import pytest

from tests.fakes import FakeSandbox
from verifier.judging.languages import LANGUAGES
from verifier.judging.testing import Bridging
from verifier.sandbox.base import Limits
from verifier.types import CodeReference


@pytest.mark.parametrize(
    ("language", "program"),
    [
        ("cpp", "#include <vector>\nvector<vector<int> f(int a) { return {}; }"),
        ("cpp", "auto f(int a) { return 1; }"),
        ("rust", "fn f(&mut self, a: i32) -> i32 { 1 }"),
    ],
)
def test_a_program_cannot_make_its_task_unscorable_by_what_it_declares(language, program):
    reference = CodeReference(language=language, script="fn main() { f(1); } int main() { f(1); }", entry_point="f")
    way = Bridging(reference, LANGUAGES[language], FakeSandbox(), Limits())
    assert way.programs(program) is None
