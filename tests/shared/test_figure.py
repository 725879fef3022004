"""The figure: modules that join into one script, exports that nothing breaks out of."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared import figure, suite
from tests.conftest import ROOT

FOLDERS = [*(ROOT / "spaces" / name / name / "js" for name in suite.names()), ROOT / "shared/panel"]


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_modules_join_into_one_script(folder: Path):
    """Top-level names are unique over the folder, and nothing of the module syntax is left."""
    script = figure.bundle(folder)
    names = re.findall(r"^(?:async )?(?:function|const|let|class) ([A-Za-z_$][\w$]*)", script, re.MULTILINE)
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}
    assert names.count("render") == 1
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert "fetch(" not in script.replace("host.fetch(", "")
    for forbidden in ("XMLHttpRequest", "eval(", "innerHTML", "https://cdn"):
        assert forbidden not in script


def test_an_export_cannot_be_broken_out_of():
    data = {"kind": "decoding", "runs": [], "text": "</script><script>alert(1)</script>\u2028<!--"}
    text = figure.standalone_html(data, FOLDERS[0], title="</title><b>", link="javascript:alert(1)")
    assert text.count("</script>") == 2
    assert "<b>" not in text.split("<style>")[0].split("<title>")[1].replace("&lt;b&gt;", "")
    assert "javascript:alert" not in text
    stored = re.search(r'id="figure-data">(.*?)</script>', text, re.DOTALL).group(1)
    assert json.loads(stored) == data
