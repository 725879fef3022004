"""`make lock`: write the locks again from requirements.txt, every package with the hashes of all its files.

`requirements.lock` holds what every machine gets, `cuda.lock` NVIDIA's libraries, which PyPI's torch for
Linux needs and a CPU build of torch does not, `spaces.json` the packages of `requirements.lock` that each
Space needs alone. The hashes of those builds stand in `torch-cpu.txt`: uv knows
none outside the index it asks. Change that file by hand with torch's version.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CUDA = re.compile(r"(nvidia|cuda|triton)\b")
OLDEST_PYTHON = "3.11"
MODEL = re.findall(r"^MODEL := (\S+)$", (HERE.parent / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[
    0
]


def resolved(requirements: str, *options: str) -> list[str]:
    """What uv makes of requirements: an entry a package, of its line and those of its hashes."""
    index = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    ).stdout.strip()
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", OLDEST_PYTHON, "--no-header", "--no-annotate", *options, "-"]
    done = subprocess.run(
        command,
        input=requirements,
        capture_output=True,
        text=True,
        env={**os.environ, **({"UV_DEFAULT_INDEX": index} if index else {})},
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return re.findall(r"^\S.*(?:\n .*)*\n", done.stdout, re.MULTILINE)


def name(entry: str) -> str:
    """The package that an entry of a lock is about."""
    return re.split(r"[=\[ ]", entry)[0]


def parts(locked: list[str]) -> dict[str, list[str]]:
    """By Space the packages that it needs alone: its own requirements, the platform's, and what they need."""
    everything = (HERE.parent / "requirements.txt").read_text(encoding="utf-8")
    platform = "".join(re.findall(r"^(?:torch|gradio|spaces)\b.*\n", everything, re.MULTILINE))
    found = {}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as versions:
        versions.writelines(entry.split(" \\\n")[0] + "\n" for entry in locked)
        versions.flush()
        for path in sorted((HERE.parent / "spaces").glob("*/requirements.txt")):
            wanted = path.read_text(encoding="utf-8") + platform
            entries = resolved(wanted, "--constraints", versions.name)
            names = {name(entry) for entry in entries if not CUDA.match(entry)}
            found[path.parent.name] = sorted(names | {MODEL.split("==")[0]})
    return found


def main() -> None:
    """Write the locks."""
    entries = resolved((HERE.parent / "requirements.txt").read_text(encoding="utf-8"))
    entries += resolved(MODEL, "--no-deps")  # its own requirements would compile llama.cpp
    first, *rest = (HERE / "torch-cpu.txt").read_text(encoding="utf-8").splitlines()
    hashes = [line.split()[1] for line in rest if not line.startswith("#")]
    for number, entry in enumerate(entries):
        if entry.startswith("torch=="):
            if first.split()[2] != entry.split()[0].removeprefix("torch=="):
                raise SystemExit("torch-cpu.txt has the hashes of another version of torch.")
            lines = [entry.rstrip(), *(f"    --hash=sha256:{one}" for one in hashes)]
            entries[number] = " \\\n".join(lines) + "\n"
    for file, cuda in (("requirements.lock", False), ("cuda.lock", True)):
        head = "# Written by `make lock`; see locks/write.py.\n"
        body = "".join(entry for entry in entries if bool(CUDA.match(entry)) == cuda)
        assert "://" not in body
        (HERE / file).write_text(head + body, encoding="utf-8")
    (HERE / "spaces.json").write_text(json.dumps(parts(entries), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
