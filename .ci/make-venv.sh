#!/bin/sh
# Makes the virtual environment: .ci/make-venv.sh DIRECTORY
#
# Takes the first Python of 3.11 or newer. Debian ships Python without ensurepip unless python3-venv is installed; then
# a virtualenv or pip that is there will do, and last the pip of Debian's own package, unpacked without root.
set -eu

venv=$1

fail() {
    printf 'make install: %s\n' "$@" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# pip's wheel from the package python3-pip-whl, through lists of our own where apt has none yet.
make_with_debian_pip() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
    own="-o Dir::State::Lists=$scratch/lists -o Dir::Cache=$scratch/cache"
    (
        cd "$scratch"
        # $own is several words
        # shellcheck disable=SC2086
        apt-get download python3-pip-whl || { apt-get $own update && apt-get $own download python3-pip-whl; }
        dpkg-deb -x python3-pip-whl_*.deb root
    ) >/dev/null 2>&1 || return 1
    for wheel in "$scratch"/root/usr/share/python-wheels/pip-*.whl; do
        "$python" -m venv --without-pip "$venv"
        "$venv/bin/python" "$wheel/pip" install --quiet --no-index "$wheel"
    done
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
    fail "needs Python 3.11 or newer, found: $found" \
        "remedy: apt-get install python3.11, or make PYTHON=/path/to/python3.11"
fi

rm -rf "$venv"
if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    "$python" -m venv "$venv"
elif "$python" -m virtualenv --version >/dev/null 2>&1; then
    "$python" -m virtualenv --quiet "$venv"
elif "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --without-pip "$venv"
    "$python" -m pip --python "$venv/bin/python" install --quiet pip
elif ! make_with_debian_pip; then
    rm -rf "$venv"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$python has neither ensurepip, virtualenv nor pip, so no virtual environment can be made" \
        "remedy (as root): apt-get install python$version-venv"
fi
