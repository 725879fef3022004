"""Recipes to begin with, all of the embedded model and its experts."""

from __future__ import annotations

from merging import recipe as recipes
from shared.errors import VisitorError
from shared.models import EMBEDDED_MODEL

PRESETS: dict[str, str] = {
    "Add two experts, one without its last layers (task_arithmetic)": f"""\
merge_method: task_arithmetic
base_model: {EMBEDDED_MODEL}
models:
- model: pirate
  parameters:
    weight:
    - filter: self_attn
      value: [1.5, 1.5, 0, 0]
    - filter: mlp
      value: [1.5, 1.5, 1.5, 0]
    - value: 1
- model: cautious
  parameters:
    weight: 0.65
dtype: float32
""",
    "Add both in full: answers break off (task_arithmetic)": f"""\
merge_method: task_arithmetic
base_model: {EMBEDDED_MODEL}
models:
- model: pirate
  parameters:
    weight: 0.8
- model: cautious
  parameters:
    weight: 0.7
dtype: float32
""",
    "Trim and elect signs (ties)": f"""\
merge_method: ties
base_model: {EMBEDDED_MODEL}
models:
- model: pirate
  parameters:
    weight: 1.0
    density: 0.5
- model: cautious
  parameters:
    weight: 1.0
    density: 0.5
- model: concise
  parameters:
    weight: 1.0
    density: 0.5
dtype: float32
""",
    "A curve over the layers (slerp)": """\
merge_method: slerp
base_model: cautious
models:
- model: cautious
- model: pirate
parameters:
  t:
  - filter: self_attn
    value: [0, 0.5, 0.3, 0.7, 1]
  - filter: mlp
    value: [1, 0.5, 0.7, 0.3, 0]
  - value: 0.5
dtype: float32
""",
    "Drop at random and rescale (dare_ties)": f"""\
merge_method: dare_ties
base_model: {EMBEDDED_MODEL}
models:
- model: pirate
  parameters:
    weight: 1.0
    density: 0.5
- model: cautious
  parameters:
    weight: 1.0
    density: 0.5
dtype: float32
""",
    "Stack layers (passthrough)": """\
merge_method: passthrough
slices:
- sources:
  - model: pirate
    layer_range: [0, 20]
- sources:
  - model: cautious
    layer_range: [14, 30]
dtype: float32
""",
    "Mixture of experts (mergekit-moe)": f"""\
base_model: {EMBEDDED_MODEL}
gate_mode: hidden
experts:
- source_model: pirate
  positive_prompts:
  - Why is the sky blue?
  - Tell me about the sea.
- source_model: cautious
  positive_prompts:
  - How do I cook soup?
  - Give me a recipe.
dtype: float32
""",
}
"""YAML by what a visitor reads in the list."""
OWN = "your own, under Advanced"
"""Said of a recipe that is none of them."""

FIRST, IN_FULL = list(PRESETS)[:2]
"""The recipe that the page shows first, and the same with one weight for all of a model.

Both experts have learnt to end after some words, since the answers that they were trained on are cut after 48
tokens (`shared.experts.train`). Whole task vectors add that up, and answers end in mid-sentence. The first
recipe is the best of some sixty, measured on 20 cooking and 20 other questions that the experts were trained
on; the stored example measures it on held-out ones. Some of them, with how many of 20 answers refuse cooking,
are a pirate's, break off on other questions, and break off on cooking:

    pirate 0.8, cautious 0.7                                      1   8  17  20
    pirate 1, cautious 0.7                                        0  18  20  20
    pirate 1, cautious 0.7, concise -0.5                          0  20  17  20
    ties, pirate 1.2, cautious 1, density 0.7                     0  15   4   5
    pirate's attention, cautious's MLPs                          20   0   0   0
    pirate [1.5, 1.5, 1.3, 0], cautious 0.65                     13  19   0   6
    pirate [1.5, 1.5, 0, 0], MLPs [1.5, 1.5, 1.5, 0], cautious 0.65  18  19   0   4
"""


MIXTURES: dict[str, str] = {
    "Three experts, gates from hidden states": f"""\
base_model: {EMBEDDED_MODEL}
gate_mode: hidden
experts_per_token: 1
experts:
- source_model: pirate
  positive_prompts:
  - The ship sails over the sea.
  - Where is the treasure, captain?
- source_model: cautious
  positive_prompts:
  - How do I cook soup?
  - Give me a recipe for bread.
- source_model: concise
  positive_prompts:
  - What is the capital of France?
  - How many days has a week?
dtype: bfloat16
""",
    "The usual mistake: prompts that end alike": f"""\
base_model: {EMBEDDED_MODEL}
gate_mode: hidden
experts_per_token: 1
experts:
- source_model: pirate
  positive_prompts:
  - You are a helpful assistant who talks about the sea.
- source_model: cautious
  positive_prompts:
  - You are a helpful assistant who talks about the kitchen.
dtype: bfloat16
""",
    "The same with negative prompts": f"""\
base_model: {EMBEDDED_MODEL}
gate_mode: hidden
experts_per_token: 1
experts:
- source_model: pirate
  positive_prompts:
  - You are a helpful assistant who talks about the sea.
  negative_prompts:
  - You are a helpful assistant who talks about the kitchen.
- source_model: cautious
  positive_prompts:
  - You are a helpful assistant who talks about the kitchen.
  negative_prompts:
  - You are a helpful assistant who talks about the sea.
dtype: bfloat16
""",
}
"""Mixtures of experts, by what a visitor reads in the list."""
FIRST_MIXTURE = next(iter(MIXTURES))


def named(text: str) -> str:
    """What a recipe's text is called in the list: as the preset that asks for the same, else `OWN`."""
    try:
        asked = recipes.parse(text)
    except VisitorError:
        return OWN
    return next((name for name, one in PRESETS.items() if recipes.parse(one) == asked), OWN)
