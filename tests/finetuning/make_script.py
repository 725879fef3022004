"""Run the printed script of TRL with TRL itself, and keep it with its losses in trl_script.json.

As for `make_training`: `python -m tests.finetuning.make_script`, with TRL 1.16.0 on PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("trl_script.json")


def main() -> None:
    """Write it."""
    import pytest

    from tests import zoo
    from tests.finetuning import test_take

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_take.models, "load", lambda *_, **__: zoo.opened("qwen3"))
        patch.setattr("finetuning.watch.WINDOWS", 2)
        patch.setattr("finetuning.watch.ANSWER_TOKENS", 2)
        request, data, _ = test_take.run_of("sft")
    script = test_take.leave.trl(request, data)
    os.chdir(tempfile.mkdtemp())
    seen: dict[str, Any] = {"__name__": "printed"}
    exec(script, seen)
    log = [entry["loss"] for entry in seen["trainer"].state.log_history if "loss" in entry]
    kept = {"script": script.replace(request.model, "MODEL"), "losses": log}
    SCRIPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(log, [step["loss"] for step in data["runs"][0]["steps"]])


if __name__ == "__main__":
    main()
