"""Print the part of `requirements.lock` that one Space needs, or all of them: without what tests need.

`make demo` installs it. Runs on Python alone, before anything is there.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent


def part(space: str = "") -> str:
    """The lock's entries for a Space or for all, each with its hashes; an unknown name ends the program."""
    spaces = json.loads((HERE / "spaces.json").read_text(encoding="utf-8"))
    if space and space not in spaces:
        sys.exit(f"There is no Space {space!r}. Choose one of: {', '.join(spaces)}.")
    lock = (HERE / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^\w.*(?:\n .*)*\n", lock, re.MULTILINE)
    wanted = spaces[space] if space else {package for packages in spaces.values() for package in packages}
    return "".join(entry for entry in entries if re.split(r"[=\[ ]", entry)[0] in wanted)


if __name__ == "__main__":
    print(part(*sys.argv[1:2]), end="")
