"""The few lines that make the same merge without this page."""

from __future__ import annotations

from merging import recipe as recipes
from merging.request import Request
from merging.sources import expert_of, split
from shared import experts
from shared.models import EMBEDDED_MODEL

REPOSITORY = "shared/experts"


def in_words_of_mergekit(name: str) -> str:
    """A model's name as mergekit reads it: an expert is the embedded model plus its adapter, which lies in
    the repository.
    """
    model, lora = (
        (EMBEDDED_MODEL, expert) if (expert := expert_of(name)) else (name.split("+")[0], split(name)[2])
    )
    return f"{model}+{REPOSITORY}/{lora}" if lora in experts.NAMES else name


def named(asked: Request) -> str:
    """The recipe as mergekit reads it."""
    recipe = recipes.parse(asked.recipe)
    for holder, key, _ in list(recipes.named(recipe)):
        holder[key] = in_words_of_mergekit(holder[key])
    return recipes.to_yaml(recipe)


def commands(asked: Request) -> str:
    """A shell program. The experts' adapters lie in this project's repository, where it is to be run."""
    tool = "mergekit-moe" if recipes.is_moe(recipes.parse(asked.recipe)) else "mergekit-yaml"
    return f"""pip install mergekit==0.1.5
cat > recipe.yml <<'END'
{named(asked).strip()}
END
PYTHONHASHSEED=0 {tool} recipe.yml child --random-seed {asked.seed} \\
  --lora-merge-cache adapters --lora-merge-dtype float32
"""


def python_program(asked: Request) -> str:
    """A Python program that merges and asks the child one question."""
    moe = recipes.is_moe(recipes.parse(asked.recipe))
    head = (
        "from mergekit.moe.config import MoEMergeConfig\nfrom mergekit.scripts.moe import build"
        if moe
        else "from mergekit.config import MergeConfiguration\nfrom mergekit.merge import run_merge"
    )
    run = (
        'build(MoEMergeConfig.model_validate(recipe), out_path="child", merge_options=options, device="cpu")'
        if moe
        else 'run_merge(MergeConfiguration.model_validate(recipe), "child", options=options)'
    )
    text = named(asked).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'''import yaml
{head}
from mergekit.options import MergeOptions
from transformers import pipeline

recipe = yaml.safe_load("""
{text.strip()}
""")
options = MergeOptions(random_seed={asked.seed}, lora_merge_cache="adapters", lora_merge_dtype="float32")
options.apply_global_options()
{run}
chat = pipeline("text-generation", "child")
print(chat([{{"role": "user", "content": "How do I cook pancakes?"}}], max_new_tokens=40, do_sample=False))
'''
