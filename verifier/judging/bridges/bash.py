"""Bash: a command that the script does not have is a call of the solution's function of that name.

Arguments, output and exit code cross as text. What a function sets in its shell, and what it reads from standard
input, does not.
"""

from __future__ import annotations

from verifier.sandbox.base import Program
from verifier.types import CodeReference

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
command_not_found_handle() { __assay_ask "$@"; }
readonly -f __assay_ask command_not_found_handle
"""


class BashBridge:
    """See ``Bridge``."""

    def tester(self, reference: CodeReference) -> Program:
        """See ``Bridge.tester``."""
        name = reference.entry_point
        stubs = _STUBS
        if name.isascii() and name.isidentifier():
            # Its name may be that of a command.
            stubs += f'{name}() {{ __assay_ask {name} "$@"; }}\n'
        return Program(
            source_name="main.sh",
            source=_TESTER,
            files=(("stubs.sh", stubs), ("script.sh", f"{reference.script}\n")),
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
