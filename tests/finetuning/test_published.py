"""Published chat templates, as TRL ships them, where TRL is at hand: its wheel, unpacked, on PYTHONPATH. It
is no requirement, and its templates are not this project's to carry.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from shared.embedded_model import EMBEDDED_MODEL
from shared.suite import load_app
from tests.finetuning.talks import TALKS

load_app("finetuning")
from finetuning import masks
from finetuning.engine import mask
from finetuning.request import MaskRequest
from finetuning.tokenizer import opened
from shared.errors import VisitorError

TRL = importlib.util.find_spec("trl")
LEAST = 30
"""Templates that mark answers, of which at least so many must have been compared."""


@pytest.mark.skipif(TRL is None, reason="TRL is not installed")
def test_labels_of_published_templates_are_those_of_transformers(embedded):
    """Token by token: what `{% generation %}` marks, as transformers itself reads it for TRL."""
    assert TRL is not None and TRL.origin
    tokenizer = opened(EMBEDDED_MODEL, "").tokenizer
    compared, wrong = set(), []
    for path in sorted((Path(TRL.origin).parent / "chat_templates").glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        for name in ("two turns", "spaces", "thoughts"):
            talk = TALKS[name]
            try:
                theirs = tokenizer.apply_chat_template(
                    talk, chat_template=template, return_dict=True, return_assistant_tokens_mask=True
                )
            except Exception:  # whatever a template raises
                with pytest.raises(VisitorError, match="The template refuses"):
                    mask(MaskRequest.parse(rows=json.dumps(talk), template=template))
                continue
            asked = MaskRequest.parse(rows=json.dumps(talk), template=template, trainer="trl_assistant")
            row = mask(asked)["rows"][0]
            view = row["views"]["trl_assistant"]
            found = masks.labels_of(view) or [False] * len(row["ids"])
            wanted = [False, *map(bool, theirs["assistant_masks"][1:])]
            if row["ids"] != theirs["input_ids"] or found != wanted or bool(view["refused"]) is any(wanted):
                wrong.append((path.name, name))
            elif any(wanted):
                compared.add(path.name)
    assert not wrong
    assert len(compared) >= LEAST
