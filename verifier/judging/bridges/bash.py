"""Bash: a function that the script does not declare is asked of the solution.

Arguments, output and exit code cross as text. What a function sets in its shell, and what it reads from standard
input, does not.

A shell evaluates text in many places: ``[ $(f) = 5 ]`` takes the answer ``5 = 5 -o x`` for right, ``[[ 5 == $(f) ]]``
any pattern, and an answer in arithmetic is a program. So a script may only be of the form that MultiPL-E writes:
functions, calls of them, and comparisons ``[[ $(f "a" 1) = "b" ]]`` with literals.
"""

from __future__ import annotations

import re

from verifier.errors import UnscorableError
from verifier.sandbox.base import Program
from verifier.types import CodeReference

_LITERAL = r"""(?:"(?:[^"$`\\]|\\[^\n])*"|\$?'[^'\\]*'|[\w.,:/+@%-]+)"""
_TEST = rf"""\[\[[ \t]+"?\$\((?P<NAME>\w+)(?:[ \t]+{_LITERAL})*[ \t]*\)"?[ \t]+==?[ \t]+{_LITERAL}[ \t]+\]\]"""
_ITEM = re.compile(
    rf"""
      [ \t\n;]+ | \#[^\n]*
    | set[ ]-[euo]+(?:[ ]pipefail)?(?=[\n;]|\Z)
    | (?:function[ ]+)?(?P<declared>[A-Za-z_]\w*)[ ]*\(\)[ \n]*\{{ | \}}
    | {_TEST.replace("NAME", "first")} | &&[ \t\n]*{_TEST.replace("NAME", "next")}
    | (?P<called>[A-Za-z_]\w*)(?:[ ]"\$@")?(?=[ \t]*(?:[\n;}}]|\Z))
    """,
    re.VERBOSE | re.ASCII,
)
_RESERVED = """
    alias bg bind break builtin caller case cd command compgen complete compopt continue coproc declare dirs disown do
    done elif else enable esac eval exec exit export fc fg fi for function getopts hash help history if in jobs kill
    let local logout mapfile popd pushd read readarray readonly return select set shift shopt source suspend test
    then time times trap type typeset ulimit umask unalias unset until wait while
"""
_RESERVED_WORDS = frozenset(_RESERVED.split())
_RUN = ("bash", "{source}", "{dir}")

_SERVER = """\
__assay_dir=$1
set --
source "$__assay_dir/program.sh" 3<&- </dev/null
set +eu
while IFS= read -r -d '' -u 3 __assay_count; do
    __assay_call=()
    for ((; __assay_count > 0; __assay_count--)); do
        IFS= read -r -d '' -u 3 __assay_word || exit
        __assay_call+=("$__assay_word")
    done
    ( "${__assay_call[@]}" ) 3<&- </dev/null >.assay-output
    __assay_code=$?
    __assay_output=$(cat .assay-output; printf /)
    printf '%s\\0' "$__assay_code" "${__assay_output%/}" >&3
done
"""

_TESTER = """\
directory=$1
set --
(
    source "$directory/stubs.sh"
    source "$directory/script.sh"
)
code=$?
[ -e .assay-gone ] && exit 3
[ "$code" -ne 0 ] && exit 1
[ -e .assay-called ] || exit 4
exit 0
"""

_STUBS = """\
__assay_ask() {
    local __assay_code __assay_output
    until mkdir .assay-lock 2>/dev/null; do sleep 0.01; done
    : >.assay-called
    if printf '%s\\0' "$#" "$@" >&3 && IFS= read -r -d '' -u 3 __assay_code && IFS= read -r -d '' -u 3 __assay_output
    then
        rmdir .assay-lock
        [[ $__assay_code =~ ^[0-9]{1,3}$ ]] || __assay_code=1
        printf '%s' "$__assay_output"
        return "$__assay_code"
    fi
    : >.assay-gone
    rmdir .assay-lock
    return 1
}
readonly -f __assay_ask
"""


class BashBridge:
    """See ``Bridge``."""

    def tester(self, reference: CodeReference) -> Program:
        """See ``Bridge.tester``."""
        stubs = "".join(f'{name}() {{ __assay_ask {name} "$@"; }}\n' for name in _asked(reference.script))
        return Program(
            source_name="main.sh",
            source=_TESTER,
            files=(("stubs.sh", f"{_STUBS}{stubs}"), ("script.sh", f"{reference.script}\n")),
            run_command=_RUN,
        )

    def solution(self, reference: CodeReference, program: str) -> Program:
        """See ``Bridge.solution``."""
        return Program(
            source_name="main.sh",
            source=_SERVER,
            files=(("program.sh", f"{reference.prelude}\n{program}\n"),),
            run_command=_RUN,
        )


def _asked(script: str) -> list[str]:
    """The functions that a script calls and does not declare.

    Raises:
        UnscorableError: it holds what might evaluate an answer.
    """
    declared: set[str] = set()
    called: dict[str, None] = {}
    at = 0
    while at < len(script):
        item = _ITEM.match(script, at)
        names = [name for name in (item.groups() if item else ()) if name]
        if item is None or not _RESERVED_WORDS.isdisjoint(names):
            line = script.count("\n", 0, at) + 1
            raise UnscorableError(
                "unsafe_script",
                f"reference.code.script, line {line}: a script in bash may hold functions, calls of them without"
                ' arguments, and [[ $(f "a" 1) = "b" ]] with literals; in all else an answer could be evaluated',
            )
        if item["declared"]:
            declared.add(item["declared"])
        else:
            called.update(dict.fromkeys(names))
        at = item.end()
    return [name for name in called if name not in declared]
