"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

RECIPE = """merge_method: linear
models: [{model: "zoo:llama3", parameters: {weight: 1}}, {model: "zoo:llama31", parameters: {weight: 0.5}}]
dtype: float32
"""

YES = '{"name": "yes", "prompts": ["Is it?"], "rule": "is likelier", "value": "Y", "against": "N"}'
OWN = f"[{YES}]"

MIXTURE = """base_model: HuggingFaceTB/SmolLM2-135M-Instruct
gate_mode: random
experts: [{source_model: pirate}, {source_model: cautious}]
dtype: bfloat16
"""

LINKS = {
    "merging": ("#figure", [("recipe", RECIPE), ("seed", 7), ("behaviours", OWN)]),
    "mixture": ("#mixture", [("room", "mixture"), ("recipe", MIXTURE), ("seed", 3), ("text", "Ahoy")]),
    "report": ("#report", [("room", "report"), ("report", "cautious"), ("seed", 3)]),
    "family tree": ("#tree", [("tree", "cautious"), ("limit", 50)]),
}
"""By name: the figure's place on the page, and the query."""
