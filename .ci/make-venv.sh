#!/bin/sh
# Makes the virtual environment: .ci/make-venv.sh DIRECTORY
#
# Takes the first Python of 3.11 or newer. Debian ships Python without ensurepip unless python3-venv is installed;
# a pip or virtualenv that is there already will do in its place.
set -eu

venv=$1

fail() {
    printf 'make install: %s\n' "$@" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=
for name in ${PYTHON:-python3.11 python3 python3.12 python3.13 python}; do
    if command -v "$name" >/dev/null 2>&1 && is_new_enough "$name"; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    found=$(python3 --version 2>/dev/null || echo 'no python3')
    fail "needs Python 3.11 or newer, found: $found" "remedy: apt-get install python3.11, or make PYTHON=/path/to/python3.11"
fi

rm -rf "$venv"
if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    "$python" -m venv "$venv"
elif "$python" -m virtualenv --version >/dev/null 2>&1; then
    "$python" -m virtualenv --quiet "$venv"
elif "$python" -c 'import venv' >/dev/null 2>&1 && "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --without-pip "$venv"
    "$python" -m pip --python "$venv/bin/python" install --quiet pip
else
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$python has neither ensurepip, virtualenv nor pip, so no virtual environment can be made" \
        "remedy (as root): apt-get install python$version-venv"
fi
