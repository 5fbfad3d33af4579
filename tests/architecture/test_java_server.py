"""The compiled server of the Java bridge is that of its sources."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import tarfile
from importlib.resources import files

import pytest

JVM = files("verifier.judging.bridges") / "jvm"


def classes(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive))) as opened:
        found = {member.name: opened.extractfile(member) for member in opened if member.isfile()}
        return {name: held.read() for name, held in found.items() if held is not None}


def test_the_compiled_server_is_that_of_its_sources(tmp_path):
    javac = shutil.which("javac")
    version = subprocess.run([javac, "-version"], capture_output=True, text=True, check=True).stdout if javac else ""
    if " 17." not in version:
        pytest.skip("needs JDK 17")
    for name in ("build", "Server.java", "Wire.java"):
        (tmp_path / name).write_bytes((JVM / name).read_bytes())
    subprocess.run(["sh", "build"], cwd=tmp_path, check=True)
    assert classes((tmp_path / "server.b64").read_bytes()) == classes((JVM / "server.b64").read_bytes())
