"""The proto is clean and the generated code is what it generates."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "verifier" / "wire" / "_generated"
PROTO = ROOT / "proto" / "verifier" / "v1" / "verifier.proto"


def test_the_generated_code_is_fresh(tmp_path):
    pytest.importorskip("grpc_tools")
    made_with = next(
        line for line in (GENERATED / "verifier_pb2_grpc.py").read_text().splitlines() if "GENERATED_VERSION =" in line
    )
    if version("grpcio-tools") not in made_with:
        pytest.skip(f"the committed code was made by another version: {made_with}")
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-Iverifier/wire/_generated={PROTO.parent}",
        f"--python_out={tmp_path}",
        f"--pyi_out={tmp_path}",
        f"--grpc_python_out={tmp_path}",
        str(PROTO),
    ]
    subprocess.run(command, check=True)
    fresh = tmp_path / "verifier" / "wire" / "_generated"
    names = {path.name for path in fresh.iterdir()}
    assert names == {path.name for path in GENERATED.glob("verifier_pb2*")}
    for name in names:
        assert (fresh / name).read_text() == (GENERATED / name).read_text(), f"{name} is stale: run make proto"


def test_the_proto_is_clean():
    beside = Path(sys.executable).with_name("buf")
    buf = str(beside) if beside.exists() else shutil.which("buf")
    if buf is None:
        pytest.skip("buf is not installed")
    result = subprocess.run([buf, "lint", str(ROOT / "proto")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_field_and_method_of_the_proto_has_a_comment():
    lines = [line.strip() for line in PROTO.read_text(encoding="utf-8").splitlines()]
    for before, line in itertools.pairwise(lines):
        is_field = line.endswith(";") and " = " in line
        is_declared = is_field or line.startswith(("rpc ", "message ", "service ", "oneof "))
        assert not is_declared or before.startswith("//") or line.startswith("syntax"), f"no comment over: {line}"
