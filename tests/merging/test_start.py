"""What a page's process has imported when it opens."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import ROOT

OPENED = """
import sys
from shared.suite import load_app
heavy = ("torch", "transformers", "mergekit", "numba", "scipy")
load_app("merging")
assert not [name for name in heavy if name in sys.modules], "the page"
from family_tree.grow import grow
from family_tree.request import TreeRequest
*_, tree = grow(TreeRequest())
assert tree["roots"] and not [name for name in heavy if name in sys.modules], "its family tree"
"""


def test_a_page_and_a_family_tree_import_no_torch():
    done = subprocess.run(
        [sys.executable, "-c", OPENED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
