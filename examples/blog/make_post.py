"""Write the example post with its five one-file figures into a folder: `make blog`, or `make blog
SUITE=https://me-llm-course.hf.space`.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from shared.figure import standalone_html

LOCAL = "http://127.0.0.1:7860"
FIGURES = {
    "decoding": "lighthouse",
    "quantization": "compare",
    "merging": "merge",
    "abliteration": "find",
    "dedup": "kitchen",
}
"""Which stored example each Space shows."""


def write(folder: Path, suite: str = LOCAL) -> Path:
    """Write the post.

    Args:
        folder: to write into; what is there is replaced.
        suite: address of the running suite, for the live demos and for the link below each figure.

    Returns:
        The post's file.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "figures").mkdir(parents=True)
    suite = suite.rstrip("/")
    for space, example in FIGURES.items():
        data = json.loads(
            (ROOT / "spaces" / space / "examples" / f"{example}.json").read_text(encoding="utf-8")
        )
        page = standalone_html(
            data, ROOT / "spaces" / space / space / "js", title=space.capitalize(), link=f"{suite}/{space}/"
        )
        (folder / "figures" / f"{space}.html").write_text(page, encoding="utf-8")
    post = folder / "index.html"
    post.write_text((HERE / "post.html").read_text(encoding="utf-8").replace(LOCAL, suite), encoding="utf-8")
    return post


if __name__ == "__main__":
    print(f"Open {write(ROOT / 'build' / 'blog', *sys.argv[1:2])}")
