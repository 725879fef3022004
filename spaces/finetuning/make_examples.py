"""Make the stored results again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from finetuning.engine import mask
from finetuning.examples import EXAMPLES, FOLDER


def main() -> None:
    """Write every stored result."""
    FOLDER.mkdir(exist_ok=True)
    for name, (_, request) in EXAMPLES.items():
        data = mask(type(request).parse(**request.to_json()))
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.encode()) / 1000:.0f} kB: {data['verdict']}")


if __name__ == "__main__":
    main()
