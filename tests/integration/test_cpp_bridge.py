"""Scripts in C++: a real tester and a real solution, each compiled by itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pairs import Pairs
from verifier.judging.bridges import TesterExit
from verifier.judging.bridges.cpp import CppBridge
from verifier.types import CodeReference

BRIDGE = CppBridge()
CHECKED = CodeReference(
    language="cpp",
    entry_point="total",
    signature="#include <vector>\n#include <stdexcept>\nusing namespace std;\nlong total(vector<int> a, int first) {",
    script="""
#undef NDEBUG
#include <assert.h>
int main() {
    assert(total({1, 2, 3}, 0) == 6);
    assert(total({1, 2, 3}, 1) == 5);
    try { total({}, -1); assert(false); }
    catch (const std::out_of_range &e) { assert(std::string(e.what()) == "first"); }
}
""",
)
BODY = (
    'if (first < 0) throw std::out_of_range("first"); long s = 0;'
    " for (size_t i = first; i < v.size(); i++) s += v[i]; return s;"
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    return Pairs(tmp_path_factory.mktemp("cpp"))


RIGHT = {
    "by_reference_and_with_its_own_main": (
        "#include <vector>\n#include <stdexcept>\n#define int long long\n"
        f"static int total(const std::vector<signed> &v, signed first) {{ {BODY} }}\nsigned main() {{ return 1; }}"
    ),
    "without_an_include": f"long long total(vector<int> &v, long first) {{ {BODY} }}",
}
WRONG = {
    "a_wrong_answer": ("long total(vector<int> v, int first) { return 6; }", TesterExit.FAILED),
    "an_exception_of_its_own": ("long total(vector<int> v, int first) { throw 5; }", TesterExit.RAISED),
    "an_end_before_the_first_call": (
        """#include <cstdlib>
#include <vector>
struct A { A() { _Exit(0); } } a;
long total(std::vector<int>, int) { return 6; }""",
        TesterExit.GONE,
    ),
    "another_type": ("#include <string>\nstd::string total(std::string s) { return s; }", "CE"),
}


@pytest.mark.parametrize("program", RIGHT.values(), ids=RIGHT)
def test_what_cpp_itself_would_call_passes(pairs, program):
    assert pairs.found(BRIDGE, CHECKED, program) == TesterExit.PASSED


@pytest.mark.parametrize(("program", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_never_passes(pairs, program, expected):
    assert pairs.found(BRIDGE, CHECKED, program) == expected


def test_a_script_that_calls_nothing_is_vacuous(pairs):
    reference = CodeReference(
        language="cpp", signature="int f(int a) {", script="#include <stdlib.h>\nint main() { exit(0); }"
    )
    assert pairs.found(BRIDGE, reference, "int f(int a) { return a; }") == TesterExit.VACUOUS


@pytest.mark.timeout(900)
def test_every_type_crosses_exactly_and_back(pairs):
    types = """
#include <any>
#include <array>
#include <complex>
#include <deque>
#include <forward_list>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>
#include <boost/any.hpp>
using namespace std;
enum class Colour : char { red, green };
struct Inner { int x; vector<string> names; };
struct Outer { Inner inner; double d; Colour colour; };
typedef unsigned __int128 uwide;
typedef tuple<bool, char, signed char, unsigned short, int, long, unsigned long long, __int128, uwide> integers;
typedef tuple<float, double, long double, complex<double>> floats;
typedef tuple<vector<vector<int>>, vector<bool>, list<string>, deque<pair<int, char>>, array<float, 3>,
              forward_list<int>> sequences;
typedef tuple<map<string, vector<int>>, unordered_map<int, string>, multimap<int, int>, set<string>,
              unordered_set<long>, multiset<int>> sets;
typedef tuple<optional<int>, optional<string>, variant<monostate, int, string>, any, boost::any, vector<any>,
              Outer> others;
typedef tuple<integers, floats, sequences, sets, others> everything;
"""
    reference = CodeReference(
        language="cpp",
        entry_point="same",
        signature=f"{types}everything same(everything all, string &changed, const char *text, string_view view) {{",
        script=r"""
#include <cassert>
#include <cmath>
int main() {
    typedef numeric_limits<long long> ll;
    integers i{true, 'x', -5, 65535, ll::min() / (1LL << 33), ll::min(), ~0ULL, __int128(1) << 127, ~uwide(0)};
    floats f{0.1f, 5e-324, 0.1L, {1.5, -0.0}};
    sequences q{{{1, 2}, {}, {3}}, {true, false}, {"a", string("b\0c", 3)}, {{1, 'q'}}, {0.1f, -INFINITY, 2},
                {7, 8, 9}};
    sets s{{{"k", {1, 2}}}, {{-1, "m"}}, {{1, 1}, {1, 2}}, {"z", ""}, {4, 5}, {6, 6}};
    others o{nullopt, "set", string("v"), 3.5, boost::any(string("b")), {any(1), any(string("t")), any()},
             {{4, {"n"}}, NAN, Colour::green}};
    string changed = "before";
    auto [i2, f2, q2, s2, o2] = same({i, f, q, s, o}, changed, "text", "view");
    assert(i2 == i);
    assert(f2 == f && signbit(get<3>(f2).imag()));
    assert(q2 == q);
    assert(s2 == s);
    assert(changed == "beforetextview");
    assert(!get<0>(o2) && get<1>(o2) == "set" && get<2>(o2) == get<2>(o) && any_cast<double>(get<3>(o2)) == 3.5);
    assert(boost::any_cast<string>(get<4>(o2)) == "b" && any_cast<string>(get<5>(o2)[1]) == "t");
    assert(!get<5>(o2)[2].has_value());
    assert(get<6>(o2).inner.names[0] == "n" && isnan(get<6>(o2).d) && get<6>(o2).colour == Colour::green);
}
""",
    )
    program = f"{types}everything same(const everything &all, string &c, const char *t, string_view v)"
    program += " { c += t; c += v; return all; }"
    assert pairs.found(BRIDGE, reference, program) == TesterExit.PASSED


ANSWERED = CodeReference(
    language="cpp",
    signature="#include <string>\n#include <vector>\n#include <map>\n"
    "std::pair<std::map<int, std::vector<bool>>, std::string> f(int at) {",
    script='#include <cassert>\nint main() { assert(f(1).second == "yes"); }',
)
ANSWER = b"r(\x02(\x01(\x02n\x04(\x02u\x01u\x00s\x03yes"


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "little") + message


HOSTILE = {
    "no answer": b"",
    "an empty message": framed(b""),
    "a size without bytes": b"\xff\xff\xff\x00r",
    "a size beyond the limit": b"\xff\xff\xff\xffr",
    "a count beyond the message": framed(b"r(\x02(\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
    "a number without an end": framed(b"r(\x02(" + b"\xff" * 40),
    "another type": framed(b"rs\x03yes"),
    "more than the answer": framed(ANSWER + b"u"),
    "less than the answer": framed(ANSWER[:-1]),
    "an integer out of range": framed(ANSWER.replace(b"n\x04", b"n\xff\xff\xff\xff\x0f")),
    "an unknown status": framed(b"y" + ANSWER[1:]),
    "an unknown exception": framed(b"x\x63s\x00"),
    "a boolean that is neither": framed(ANSWER.replace(b"u\x01u\x00", b"u\x02u\x00")),
}


def test_the_right_answer_passes(pairs):
    assert pairs.answered(BRIDGE, ANSWERED, framed(ANSWER)) == TesterExit.PASSED
    assert pairs.answered(BRIDGE, ANSWERED, framed(ANSWER.replace(b"yes", b"no!"))) == TesterExit.FAILED


@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_answer_is_the_solutions_end(pairs, reply):
    assert pairs.answered(BRIDGE, ANSWERED, reply) == TesterExit.GONE


@given(place=st.integers(0, len(ANSWER) - 4), byte=st.integers(0, 255), cut=st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_never_takes_the_tester_down(pairs, place, byte, cut):
    reply = ANSWER[:place] + bytes([byte]) + ANSWER[place + 1 + cut :]
    found = pairs.answered(BRIDGE, ANSWERED, framed(reply))
    assert found in (TesterExit.GONE, TesterExit.FAILED, TesterExit.RAISED, TesterExit.PASSED)
    if cut or place < 2:
        assert found != TesterExit.PASSED or reply == ANSWER
