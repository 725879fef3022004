"""Make the embedded model's own answers, of which the stored sets are made: `python make_answers.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from finetuning.sets import ANSWERS, PROMPTS
from shared import models
from shared.embedded_model import EMBEDDED_MODEL
from shared.talk import answer_all, prompt_ids

TOKENS, BATCH = 48, 16


def main() -> None:
    """Write the greedy answers."""
    loaded = models.load(EMBEDDED_MODEL)
    texts: dict[str, str] = {}
    for at in range(0, len(PROMPTS), BATCH):
        some = PROMPTS[at : at + BATCH]
        rows = [prompt_ids(loaded, prompt) for prompt in some]
        *_, written = answer_all(loaded.model, loaded.tokenizer, rows, TOKENS)
        assert isinstance(written, list)
        texts.update({one: said.text(loaded.tokenizer) for one, said in zip(some, written, strict=True)})
        ANSWERS.write_text(json.dumps(texts, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{len(texts)} answers")


if __name__ == "__main__":
    main()
