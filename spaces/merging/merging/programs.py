"""The few lines that make the same merge without this page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from merging import recipe as recipes
from merging.names import for_mergekit
from merging.request import Request


def recipe_for_mergekit(request: Request) -> str:
    """The recipe with every model as mergekit's own command reads it."""
    recipe = recipes.parse(request.recipe)
    for holder, key, _ in list(recipes.named(recipe)):
        holder[key] = for_mergekit(holder[key])
    return recipes.to_yaml(recipe)


def listings(request: Request) -> dict[str, str]:
    """The programs that make a merge, by what each is."""
    return {
        "The same merge with mergekit's own command": commands(request),
        "The same merge in Python": python_program(request),
    }


def commands(request: Request) -> str:
    """A shell program. The experts' adapters lie in this project's repository, where it is to be run."""
    tool = "mergekit-moe" if recipes.is_moe(recipes.parse(request.recipe)) else "mergekit-yaml"
    return f"""pip install mergekit=={version("mergekit")}
cat > recipe.yml <<'END'
{recipe_for_mergekit(request).strip()}
END
PYTHONHASHSEED=0 {tool} recipe.yml child --random-seed {request.seed} \\
  --lora-merge-cache adapters --lora-merge-dtype float32
"""


_MERGE = (
    "from mergekit.config import MergeConfiguration\nfrom mergekit.merge import run_merge",
    'run_merge(MergeConfiguration.model_validate(recipe), "child", options=options)',
)
_MIXTURE = (
    "from mergekit.moe.config import MoEMergeConfig\nfrom mergekit.scripts.moe import build",
    'build(MoEMergeConfig.model_validate(recipe), out_path="child", merge_options=options, device="cpu")',
)


def python_program(request: Request) -> str:
    """A Python program that merges and asks the child one question."""
    imports, call = _MIXTURE if recipes.is_moe(recipes.parse(request.recipe)) else _MERGE
    text = recipe_for_mergekit(request).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'''import yaml
{imports}
from mergekit.options import MergeOptions
from transformers import pipeline

recipe = yaml.safe_load("""
{text.strip()}
""")
options = MergeOptions(
    random_seed={request.seed}, lora_merge_cache="adapters", lora_merge_dtype="float32"
)
options.apply_global_options()
{call}
chat = pipeline("text-generation", "child")
print(chat([{{"role": "user", "content": "How do I cook pancakes?"}}], max_new_tokens=40, do_sample=False))
'''


def routing_program(texts: Sequence[str], form: str) -> str:
    """A Python program that prints which expert each token of some texts goes to first in each layer, the
    mixture being in the folder child.

    Args:
        texts: to route.
        form: "plain" or "chat".
    """
    inputs = 'tokenizer(text, return_tensors="pt")'
    if form == "chat":
        inputs = """tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )"""
    return f"""import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("child", dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained("child")
for text in {list(texts)!r}:
    inputs = {inputs}
    with torch.no_grad():
        logits = model(**inputs, output_router_logits=True).router_logits  # a layer: (tokens, experts)
    first = torch.stack([layer.argmax(-1) for layer in logits], 1)
    for token, experts in zip(inputs["input_ids"][0], first.tolist()):
        print(f"{{tokenizer.decode([token])!r:>16}}", *experts)
"""
