"""The code that reproduces a run of GRPO: a plain loop with transformers and peft, and TRL's own trainer."""

from __future__ import annotations

from collections.abc import Mapping
from pprint import pformat
from typing import Any

from finetuning import questions
from finetuning.grpo_request import GrpoRequest
from finetuning.questions import stored_source
from finetuning.rewards import Part
from finetuning.row_programs import MOST_CHARACTERS, rows_of_dataset, rows_of_file
from finetuning.rows import objects
from finetuning.train_programs import named, use_adapter
from shared import rules
from shared.errors import VisitorError
from shared.refusals import WORD

TRL = "1.16.0"


def listings(request: GrpoRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure, by what each is."""
    return {
        "The same run with transformers and peft": loop(request, data),
        "With TRL's GRPOTrainer": trl(request, data),
        "The adapter in use": use_adapter(request.model),
    }


def _rows(request: GrpoRequest, asked: Mapping[str, Any]) -> str:
    """The prompts to train on, as the programs read them."""
    split = (
        'held = [row["prompt"] for row in rows[4::5] or rows[-1:]]\n'
        'rows = [row for row in rows if row["prompt"] not in held] or rows\n'
    )
    if not request.own and asked["source"] == stored_source(request.data):
        given: list[Any] = questions.stored(request.data)[0][: request.limit]
        return f"rows = {pformat(given, width=106, sort_dicts=False)}\n"
    if request.dataset:
        return rows_of_dataset(request) + split
    text = request.rows.strip()
    if text and questions.are_lines(text):
        lines = [line.strip() for line in text.splitlines() if line.strip()][: request.limit]
        given = [{"prompt": [{"role": "user", "content": line}]} for line in lines]
        return f"rows = {pformat(given, width=106, sort_dicts=False)}\n{split}"
    try:
        given = objects(request)[0] if request.own else []
    except VisitorError:
        given = []
    if given and len(text := pformat(given, width=106, sort_dicts=False)) <= MOST_CHARACTERS:
        return f"rows = {text}\n{split}"
    return rows_of_file("rows.jsonl" if request.own else asked["source"], request.limit) + split


def _reward(request: GrpoRequest) -> str:
    """The reward as a function of an answer."""
    lines = [
        "def reward(text, ended, tokens, answer, likelihood):\n",
        '    """What an answer is paid."""\n',
        '    same = text.replace("’", "\'")\n',
        "    total = 0.0\n",
        *(f"    total += {part.weight:g} * {_expression(part)}\n" for part in request.parts),
        "    return total\n",
    ]
    if "same" not in "".join(lines[3:]):
        del lines[2]
    return "".join(lines) + "\n\n"


def _expression(part: Part) -> str:
    """A part as Python."""
    if part.kind == "likelihood":
        return "likelihood"
    if part.kind == "answer":
        return '(re.search(rf"(?<!\\w){re.escape(answer)}(?!\\w)", " ".join(text.split()), re.I) is not None)'
    if part.kind == "about":
        return f"-abs({_count(part.unit)} - {part.number}) / {part.number}"
    rule = part.rule
    assert rule
    if pattern := rules.pattern_of(rule):
        return f"(re.search({pattern!r}, same, re.I) is not None)"
    if rule.kind == "matches":
        return f"(re.search({rule.value!r}, text) is not None)"
    if rule.kind == "does not end":
        return "(not ended)"
    if rule.kind == "length" and "sentence" not in rule.value:
        relation, number, unit = rule.value.rsplit(" ", 2)
        compared = {"at most": "<=", "at least": ">=", "exactly": "=="}[relation]
        whole = "" if relation == "at least" else "ended and "
        return f"({whole}{_count(unit.rstrip('s'))} {compared} {number})"
    return f"0  # write a judge of your own for {part.words!r}, which this page judges by its own code"


def _count(unit: str) -> str:
    return {
        "character": "len(text)",
        "token": "tokens",
        "word": f"len(re.findall({WORD.pattern!r}, text))",
        "sentence": 'len(re.findall(r"[^.!?]+", text))',
    }[unit]


def loop(request: GrpoRequest, data: Mapping[str, Any]) -> str:
    """A program that trains as the run did and prints every step's reward and losses."""
    versions = data["provenance"]["versions"]
    text = _LOOP
    rate = repr(request.learning_rate)
    if request.schedule == "linear":
        every = request.steps * request.iterations
        rate = f"{request.learning_rate!r} * ({every} - step * {request.iterations} - iteration) / {every}"
    divided = {
        "group": "\n    advantage = advantage / (paid.std(1, keepdim=True) + 1e-4)",
        "batch": "\n    advantage = advantage / (paid.std() + 1e-4)",
        "none": "",
    }[request.scale]
    loss = {
        "dapo": "each.mean()",
        "grpo": "torch.stack([row.mean() for row in each.split(lengths)]).mean()",
        "dr_grpo": f"each.sum() / (len(lengths) * {request.tokens})",
    }[request.loss]
    kl = ""
    if request.beta:
        kl = (
            f"\n        each = each + {request.beta:g} * ratio * (torch.exp(first - now) - (first - now) - 1)"
        )
    blocks = data["provenance"]["blocks"]
    layers = None if data["first"] == 0 else list(range(data["first"], blocks))
    likely = any(part.kind == "likelihood" for part in request.parts)
    for name, value in {
        "VERSIONS": f"torch=={versions['torch'].partition('+')[0]} "
        f"transformers=={versions['transformers']} peft=={versions['peft']}",
        "ROWS": _rows(request, data["questions"]).rstrip(),
        "REWARD": _reward(request).rstrip(),
        "MODEL": named(request.model),
        "CONFIG": f"r={request.rank}, lora_alpha={request.alpha:g}, target_modules={data['targets']!r},\n"
        f'    layers_to_transform={layers!r}, task_type="CAUSAL_LM"',
        "SCHEDULED": rate,
        "DIVIDED": divided,
        "LOSS": loss,
        "KL": kl,
        "LIKELY": "logs_of(texts, 1.0)" if likely and request.temperature != 1 else "before",
        "SEED": str(request.seed),
        "GROUP": str(request.group),
        "BATCH": str(request.batch),
        "STEPS": str(request.steps),
        "ITERATIONS": str(request.iterations),
        "TOKENS": str(request.tokens),
        "TEMPERATURE": f"{request.temperature:g}",
        "EPSILON": f"{request.epsilon:g}",
    }.items():
        text = text.replace(f"<{name}>", value)
    return text


_LOOP = '''# pip install <VERSIONS>
import json
import math
import re

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

<ROWS>


<REWARD>


<MODEL>tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
stops = model.generation_config.eos_token_id or tokenizer.eos_token_id
stops = set(stops if isinstance(stops, list) else [stops])
config = LoraConfig(
    <CONFIG>,
)
model = get_peft_model(model, config).eval()  # no dropout
generator = torch.Generator().manual_seed(<SEED>)
for key, value in model.named_parameters():
    if ".lora_A." in key:
        torch.nn.init.kaiming_uniform_(value.data, a=math.sqrt(5), generator=generator)


def asked(row):
    """A prompt's tokens."""
    if isinstance(row.get("prompt"), str):
        return tokenizer(row["prompt"])["input_ids"]
    talk = row.get("prompt") or row["messages"]
    while talk[-1]["role"] == "assistant":
        talk = talk[:-1]
    text = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def sample(prompts):
    """Answers, each with the token that ends it."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in prompts])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in prompts])
    answers, cache = [[] for _ in prompts], None
    for _ in range(<TOKENS>):
        places = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        with torch.no_grad():
            out = model(
                input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
            )
        cache = out.past_key_values
        likely = (out.logits[:, -1].float() / <TEMPERATURE>).softmax(-1)
        going = [at for at, answer in enumerate(answers) if not answer or answer[-1] not in stops]
        ids = torch.zeros_like(ids[:, :1])  # what has ended draws no more
        ids[going] = torch.multinomial(likely[going], 1, generator=drawing)
        for at in going:
            answers[at].append(int(ids[at]))
        if all(answer[-1] in stops for answer in answers):
            break
        mask = torch.cat((mask, torch.ones_like(ids)), 1)
    return answers


def logs_of(texts, heat=<TEMPERATURE>):
    """ln p of each answer's tokens behind its prompt."""
    width = max(len(ids) for ids, _ in texts)
    padded = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in texts])
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in texts])
    logits = model(input_ids=padded, attention_mask=mask).logits[:, :-1] / heat
    logs = logits.log_softmax(-1).gather(2, padded[:, 1:, None])[:, :, 0]
    return [row[start - 1 : len(ids) - 1] for row, (ids, start) in zip(logs, texts)]


trained = [value for value in model.parameters() if value.requires_grad]
optimizer = torch.optim.AdamW(trained, weight_decay=0.0)
drawing = torch.Generator().manual_seed(<SEED>)
prompts = [asked(row) for row in rows]
order = []
while len(order) < <STEPS> * <BATCH>:
    generator = torch.Generator().manual_seed(<SEED> + len(order) // len(rows))
    order += torch.randperm(len(rows), generator=generator).tolist()
for step in range(<STEPS>):
    some = [at for at in order[step * <BATCH> : (step + 1) * <BATCH>] for _ in range(<GROUP>)]
    answers = sample([prompts[at] for at in some])
    texts = [(prompts[at] + answer, len(prompts[at])) for at, answer in zip(some, answers)]
    lengths = [len(answer) for answer in answers]
    with torch.no_grad(), model.disable_adapter():
        before = logs_of(texts)  # under the model before training
        likely = <LIKELY>
    paid = []
    for at, answer, logs in zip(some, answers, likely):
        ended = answer[-1] in stops
        said = tokenizer.decode(answer[:-1] if ended else answer, skip_special_tokens=True).strip()
        wanted = str(rows[at].get("answer", ""))
        paid.append(reward(said, ended, len(answer) - ended, wanted, logs.mean().item()))
    paid = torch.tensor(paid).view(-1, <GROUP>)
    advantage = paid - paid.mean(1, keepdim=True)<DIVIDED>
    advantage = advantage.flatten().repeat_interleave(torch.tensor(lengths))
    first = torch.cat(before)
    for iteration in range(<ITERATIONS>):
        now = torch.cat(logs_of(texts))
        if iteration == 0:
            old = now.detach()
        ratio = torch.exp(now - old)
        clipped = ratio.clamp(1 - <EPSILON>, 1 + <EPSILON>)
        each = -torch.min(ratio * advantage, clipped * advantage)<KL>
        loss = <LOSS>
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.param_groups[0]["lr"] = <SCHEDULED>
        optimizer.step()
        print(f"step {step + 1}: reward {paid.mean():.6f}, loss {loss.item():.6f}, norm {norm.item():.6f}")
model.save_pretrained("adapter")
'''


def trl(request: GrpoRequest, data: Mapping[str, Any]) -> str:
    """A program that trains with TRL; it samples by its own generator, so that its answers are others."""
    blocks = data["provenance"]["blocks"]
    layers = None if data["first"] == 0 else list(range(data["first"], blocks))
    likely = any(part.kind == "likelihood" for part in request.parts)
    note = "  # TRL hands a reward no likelihoods: this part pays 0\n" if likely else "\n"
    return (
        f"# pip install trl=={TRL} peft datasets\n"
        "# The same settings, in float32 as here (bf16=False); TRL samples other answers.\n"
        "import json\nimport re\n\n"
        "from datasets import Dataset\nfrom peft import LoraConfig\n"
        "from transformers import AutoTokenizer\nfrom trl import GRPOConfig, GRPOTrainer\n\n"
        f"{_rows(request, data['questions'])}\n\n"
        f"{_reward(request)}"
        f"{named(request.model)}"
        "tokenizer = AutoTokenizer.from_pretrained(name)\n\n\n"
        "def paid(prompts, completions, completion_ids, **columns):\n"
        "    rewards = []\n"
        "    for at, ids in enumerate(completion_ids):\n"
        "        ended = ids[-1] == tokenizer.eos_token_id\n"
        "        said = tokenizer.decode(ids, skip_special_tokens=True).strip()\n"
        '        wanted = str(columns["answer"][at]) if "answer" in columns else ""\n'
        f"        rewards.append(reward(said, ended, len(ids) - ended, wanted, 0.0)){note}"
        "    return rewards\n\n\n"
        "config = GRPOConfig(\n"
        '    output_dir="grpo", report_to="none", save_strategy="no", logging_steps=1, bf16=False,\n'
        f"    max_steps={request.steps * request.iterations}, num_iterations={request.iterations},\n"
        f"    per_device_train_batch_size={request.group * request.batch}, num_generations={request.group},\n"
        f"    max_completion_length={request.tokens}, temperature={request.temperature:g},\n"
        f'    learning_rate={request.learning_rate!r}, lr_scheduler_type="{request.schedule}",\n'
        f"    beta={request.beta:g}, epsilon={request.epsilon:g}, scale_rewards={request.scale!r},\n"
        f'    loss_type="{request.loss}", seed={request.seed}, disable_dropout=True,\n'
        ")\n"
        "trainer = GRPOTrainer(\n"
        "    model=name,\n    args=config,\n    reward_funcs=paid,\n"
        "    train_dataset=Dataset.from_list(rows),\n"
        "    peft_config=LoraConfig(\n"
        f"        r={request.rank}, lora_alpha={request.alpha:g}, target_modules={data['targets']!r},\n"
        f'        layers_to_transform={layers!r}, task_type="CAUSAL_LM",\n'
        "    ),\n)\n"
        "trainer.train()\n"
        'trainer.save_model("adapter")\n'
    )
