"""The code that gives again what models wrote: answers, the judge's readings, checked instructions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.follow_request import FollowRequest
from evaluation.programs import arrays, model_lines, opening, plain_imports
from evaluation.request import JudgeRequest

PAIRS_RUN = """\

def asked(tokenizer, text, behind=""):
    \"\"\"A text in the chat template where there is one, as token ids.\"\"\"
    if not tokenizer.chat_template:
        return tokenizer(text + behind, return_tensors="pt").input_ids
    talk = [{"role": "user", "content": text}]
    text = tokenizer.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
    return tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids


answers = []
for name, (model, tokenizer) in models.items():
    answers.append([])
    for prompt in prompts:
        ids = asked(tokenizer, prompt)
        written = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, repetition_penalty=1.0,
            max_new_tokens=TOKENS,
        )
        answers[-1].append(tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True).strip())
        print(name, "|", prompt, "|", answers[-1][-1])
"""
JUDGE_RUN = """\
model, tokenizer = list(models.values())[PLACE]


def lean(prompt, first, second):
    \"\"\"How far the judge leans to the first answer, nats.\"\"\"
    text = (
        f"Here are a question and two answers to it.\\n\\nQuestion: {prompt}\\n\\nAnswer A: {first}\\n\\n"
        f"Answer B: {second}\\n\\nWhich answer is better, A or B?"
    )
    with torch.inference_mode():
        logits = model(asked(tokenizer, text, "\\n\\nThe better answer is")).logits[0, -1]
    blank = "" if tokenizer.chat_template else " "
    a, b = (tokenizer(blank + letter, add_special_tokens=False).input_ids[-1] for letter in "AB")
    return float(logits[a] - logits[b])


names = list(models)
for prompt, left, right in pairs:
    first, second = answers[left][prompt], answers[right][prompt]
    if first == second:
        continue
    shown, turned = lean(prompts[prompt], first, second), lean(prompts[prompt], second, first)
    winner = names[left] if shown > 0 > turned else names[right] if shown < 0 < turned else "none"
    print(prompts[prompt], "|", names[left], "|", names[right], "|", winner)
"""
FOLLOW_RUN = """\
from shared.instructions import instruction_of  # of the demo's repository: run this there

for name, some in zip(models, answers):
    followed = [
        all(getattr(instruction_of(one), CHECK)(answer) for one in asked)
        for answer, asked in zip(some, instructions)
    ]
    print(name, sum(followed), "of", len(followed))
"""


def pair_listings(request: JudgeRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure of pairs, by what each is."""
    shown = {"models": list(data["models"])}
    judge = request.judged_by
    if judge == len(request.models):
        shown["models"].append({"name": "the judge", "origin": {"source": "", "revision": ""}})
    pairs = [(one["prompt"], one["left"], one["right"]) for one in data["pairs"]]
    lines = [
        *plain_imports(request.sides),
        *arrays(request.sides),
        "import torch",
        *opening(request.sides),
        "",
        f"prompts = {[ask.prompt for ask in request.asks]!r}",
        f"pairs = {pairs!r}  # prompt, model on the left, on the right",
        *model_lines(request.sides, shown),
        PAIRS_RUN.replace("TOKENS", str(request.tokens)),
    ]
    if judge is not None:
        lines.append(JUDGE_RUN.replace("PLACE", str(judge)))
    return {"The same answers and readings with transformers": "\n".join(lines)}


def follow_listings(request: FollowRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure of followed instructions, by what each is."""
    check = '"follows"' if request.reading == "strict" else '"follows_loosely"'
    lines = [
        *plain_imports(request.sides),
        *arrays(request.sides),
        "import torch",
        *opening(request.sides),
        "",
        f"prompts = {[told.prompt for told in request.told]!r}",
        f"instructions = {[[one.text for one in told.instructions] for told in request.told]!r}",
        *model_lines(request.sides, data),
        PAIRS_RUN.replace("TOKENS", str(request.tokens)),
        FOLLOW_RUN.replace("CHECK", check),
    ]
    return {"The same answers and checks with transformers": "\n".join(lines)}
