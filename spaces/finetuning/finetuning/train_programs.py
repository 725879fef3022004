"""The code that reproduces a run: a plain loop with transformers and peft, and the adapter in use."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from finetuning.row_programs import TAKEN, rows_listing
from finetuning.train_request import TrainRequest
from shared import experts
from shared.embedded_model import EMBEDDED_MODEL

NF4 = (
    "import torch\nfrom transformers import BitsAndBytesConfig  # pip install bitsandbytes\n\n"
    'nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", '
    "bnb_4bit_compute_dtype=torch.float32)\n"
)
"""Lines of a program that opens a model as QLoRA does."""
NF4_ARGUMENT = ", quantization_config=nf4"


def listings(request: TrainRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure, by what each is."""
    return {
        "The same run with transformers and peft": loop(request, data),
        "The adapter in use": use_adapter(request.model, qlora=request.qlora),
    }


def named(model: str) -> str:
    """Lines that give `name` to the model; an expert is on no Hub: they make its folder first, of a model
    that the Hub has and an adapter that lies in this repository, and in `data` where it was taken home.
    """
    if model not in experts.NAMES:
        return f"name = {model!r}\n"
    places = [f"{folder}/{model}" for folder in ("shared/experts", *TAKEN)]
    return (
        "import os\n\nimport torch\nfrom peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"name = {model!r}  # an expert, made here of the embedded model and an adapter\n"
        f"places = {places!r}\n"
        "if not os.path.isdir(name):\n"
        "    adapter = next(filter(os.path.isdir, places))\n"
        f"    base = AutoModelForCausalLM.from_pretrained({EMBEDDED_MODEL!r}, dtype=torch.float32)\n"
        "    base = PeftModel.from_pretrained(base, adapter).merge_and_unload()\n"
        "    base.save_pretrained(name)\n"
        f"    AutoTokenizer.from_pretrained({EMBEDDED_MODEL!r}).save_pretrained(name)\n"
    )


def opening(*, qlora: bool) -> str:
    """Lines that open the model to train, in float32; for QLoRA with rounded weights, since bitsandbytes'
    own layers compute in less than float32 on a processor.
    """
    opened = "model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)\n"
    if not qlora:
        return opened
    return (
        f"from bitsandbytes import functional\n\n{opened}"
        "for module in model.modules():  # the weights of QLoRA, held in float32\n"
        "    if isinstance(module, torch.nn.Linear) and module is not model.get_output_embeddings():\n"
        '        nf4 = functional.quantize_4bit(module.weight.data, blocksize=64, quant_type="nf4")\n'
        "        module.weight.data = functional.dequantize_4bit(*nf4)\n"
    )


def loop(request: TrainRequest, data: Mapping[str, Any]) -> str:
    """A program that trains as the first run did and prints every step's loss."""
    run = data["runs"][0]
    norms = run["marks"][0]["norms"] if run["marks"] else []
    ends = sorted({name.rpartition(".")[2] for name, *_ in norms})
    some = sorted({at for _, at, *_ in norms})
    layers = None if len(some) == data["provenance"]["blocks"] else some
    versions = data["provenance"]["versions"]
    units, flat = ("packed", _FLAT) if request.packing else ("texts", "batch.tolist()")
    drawn = f"torch.randperm(len({units}), generator=generator)"
    if request.objective == "kto":
        drawn = "torch.arange(len(texts))"
    rate = f"{request.learning_rate!r}"
    if request.schedule == "linear":
        rate += f" * ({request.steps} - step) / {request.steps}"
    return (
        f"# pip install torch=={versions['torch'].partition('+')[0]} "
        f"transformers=={versions['transformers']} peft=={versions['peft']}\n"
        "import json\nimport math\n\nimport torch\nfrom peft import LoraConfig, get_peft_model\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"{rows_listing(request, data['trained'])}\n"
        f"{named(request.model)}"
        "tokenizer = AutoTokenizer.from_pretrained(name)\n"
        f"{opening(qlora=request.qlora)}"
        "config = LoraConfig(\n"
        f"    r={request.rank}, lora_alpha={request.alpha:g}, target_modules={ends!r},\n"
        f'    layers_to_transform={layers!r}, task_type="CAUSAL_LM",\n'
        ")\n"
        "model = get_peft_model(model, config).eval()  # no dropout\n"
        f"generator = torch.Generator().manual_seed({request.seed})\n"
        "for key, value in model.named_parameters():\n"
        '    if ".lora_A." in key:\n'
        "        torch.nn.init.kaiming_uniform_(value.data, a=math.sqrt(5), generator=generator)\n\n\n"
        f"{_read(request)}"
        f"{_loss(request)}"
        "trained = [value for value in model.parameters() if value.requires_grad]\n"
        "optimizer = torch.optim.AdamW(trained, weight_decay=0.0)\n"
        f"{_PACKED.replace('MAX_LENGTH', str(request.max_length)) if request.packing else ''}"
        "order = []\n"
        "epoch = 0\n"
        f"while len(order) < {request.steps}:  # the order of TRL's trainer\n"
        f"    generator = torch.Generator().manual_seed({request.seed} + epoch)\n"
        f"    drawn = {drawn}\n"
        f"    order += drawn.split({request.batch})\n"
        "    epoch += 1\n"
        f"for step, batch in enumerate(order[:{request.steps}]):\n"
        f"    loss = loss_of({flat})\n"
        "    optimizer.zero_grad()\n"
        "    loss.backward()\n"
        "    norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)\n"
        f'    optimizer.param_groups[0]["lr"] = {rate}\n'
        "    optimizer.step()\n"
        '    print(f"step {step + 1}: loss {loss.item():.6f}, gradient norm {norm.item():.6f}")\n'
        'model.save_pretrained("adapter")\n'
    )


_READ = '''def ids_of(text, special=False):
    return tokenizer(text, add_special_tokens=special)["input_ids"]


def read(row, answer):
    """Token ids of a prompt with its answer, and where the answer begins."""
    if isinstance(row.get(answer), str) or "text" in row:
        before = ids_of(row["prompt"], True) if answer in row else []
        text = row["prompt"] + row[answer] if answer in row else row["text"]
        ids = ids_of(text if text.endswith(tokenizer.eos_token or "") else text + tokenizer.eos_token, True)
    else:
        prompt, talk = row["prompt"], row["prompt"] + row[answer]
        more = {"tools": row.get("tools"), **row.get("chat_template_kwargs", {})}
        write = lambda said, asks: tokenizer.apply_chat_template(  # noqa: E731
            said, tokenize=False, add_generation_prompt=asks, **more
        )
        before, ids = ids_of(write(prompt, True)), ids_of(write(talk, False))
    same = next((at for at, (a, b) in enumerate(zip(before, ids)) if a != b), min(len(before), len(ids)))
BOUNDS    return ids[:MAX_LENGTH], max(1, same)


def logs_of(some):
    """ln p of the trained tokens of each text."""
    width = max(len(ids) for ids, _ in some)
    padded = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in some])
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in some])
    logs = model(input_ids=padded, attention_mask=mask).logits[:, :-1].log_softmax(-1)
    logs = logs.gather(2, padded[:, 1:, None])[:, :, 0]
    return [row[start - 1 : len(ids) - 1] for row, (ids, start) in zip(logs, some)]


'''
_SFT = """texts = [read(row, "completion" if "completion" in row else "chosen") for row in rows]


def loss_of(batch):
    logs = torch.cat(logs_of([texts[at] for at in batch]))
    return -logs.sum() / len(logs)


"""


_DPO = """def both(row):
    \"""Two answers, which begin where the first of them parts from the prompt.\"""
    (chosen, one), (rejected, other) = read(row, "chosen"), read(row, "rejected")
    return (chosen, min(one, other)), (rejected, min(one, other))


texts = [both(row) for row in rows]


def sums(some):
    return torch.stack([logs.sum() for logs in logs_of(some)])


with torch.no_grad():  # B is zero still: this is the model before training
    before = [sums(list(pair)) for pair in texts]


def loss_of(batch):
    chosen = sums([texts[at][0] for at in batch]) - torch.stack([before[at][0] for at in batch])
    rejected = sums([texts[at][1] for at in batch]) - torch.stack([before[at][1] for at in batch])
    return -torch.nn.functional.logsigmoid(BETA * (chosen - rejected)).mean()


"""
_BOUNDS = """    if tokenizer.bos_token_id is not None and ids[:1] != [tokenizer.bos_token_id]:
        ids, same = [tokenizer.bos_token_id] + ids, same + 1
    if tokenizer.eos_token_id is not None and ids[-1:] != [tokenizer.eos_token_id]:
        ids = ids + [tokenizer.eos_token_id]
"""
_ORPO = """texts = [(read(row, "chosen"), read(row, "rejected")) for row in rows]


def log_odds(log):  # of the geometric mean p over an answer's tokens
    return log - torch.log(-torch.expm1(log))


def loss_of(batch):
    chosen, rejected = zip(*(texts[at] for at in batch))
    logs = logs_of([(ids, 1) for ids, _ in chosen] + list(rejected))  # the chosen with their prompts
    whole, others = logs[: len(batch)], logs[len(batch) :]
    answers = [row[start - 1 :] for row, (_, start) in zip(whole, chosen)]
    ratio = torch.stack([log_odds(a.mean()) - log_odds(b.mean()) for a, b in zip(answers, others)])
    return -torch.cat(whole).mean() - BETA * torch.nn.functional.logsigmoid(ratio).mean()


"""
_KTO = """if "chosen" in rows[0]:  # a chosen answer, then the rejected one of the row half the set away
    half = (len(rows) + 1) // 2
    others = rows[half:] + rows[:half]
    texts = [
        text
        for row, other in zip(rows, others)
        for text in ((*read(row, "chosen"), True), (*read(other, "rejected"), False))
    ]
else:
    texts = [(*read(row, "completion"), bool(row["label"])) for row in rows]


def sums(batch, crossed=False):
    \"""ln p of answers; crossed: of the answer of the row before it in the batch, at each prompt.\"""
    some = [texts[at] for at in batch]
    answers = [some[-1], *some[:-1]] if crossed else some
    both = [
        ((ids[:start] + other[begin:])[:MAX_LENGTH], start)
        for (ids, start, _), (other, begin, _) in zip(some, answers)
    ]
    return torch.stack([logs.sum() for logs in logs_of(both)])


with torch.no_grad():  # B is zero still: this is the model before training
    batches = torch.arange(len(texts)).split(BATCH)
    before = {batch[0].item(): (sums(batch), sums(batch, True)) for batch in batches}


def loss_of(batch):
    first, others = before[batch[0]]
    with torch.no_grad():
        z0 = (sums(batch, True) - others).mean().clamp(min=0)
    moved = sums(batch) - first
    wanted = torch.tensor([texts[at][2] for at in batch])
    gain = torch.where(wanted, moved - z0, z0 - moved)
    return (torch.where(wanted, WANTED, UNWANTED) * (1 - torch.sigmoid(BETA * gain))).mean()


"""
_FLAT = "[row for pack in batch.tolist() for row in packed[pack]]"
_PACKED = """packed, room = [], []  # rows whose tokens share max_length, as TRL's bfd packs them
for row in sorted(range(len(texts)), key=lambda one: -len(texts[one][0])):
    size = len(texts[row][0])
    fits = [at for at in range(len(packed)) if room[at][0] >= size]
    if not fits:
        fits = [len(packed)]
        packed.append([])
        room.append((MAX_LENGTH, 0))
    at = min(fits, key=lambda one: room[one])  # of equal room the pack that has had it the longest
    packed[at].append(row)
    room[at] = (room[at][0] - size, sum(map(len, packed)))
"""
_LOSSES = {"sft": _SFT, "dpo": _DPO, "orpo": _ORPO, "kto": _KTO}


def _loss(request: TrainRequest) -> str:
    """What reads all rows and gives the loss of some."""
    text = _LOSSES[request.objective]
    for name, value in {
        "BETA": request.beta,
        "WANTED": request.desirable_weight,
        "UNWANTED": request.undesirable_weight,
        "MAX_LENGTH": request.max_length,
        "BATCH": request.batch,
    }.items():
        text = re.sub(rf"\b{name}\b", repr(value), text)
    return text


def _read(request: TrainRequest) -> str:
    """What reads a row; ORPO's trainer wants every text to begin with BOS and to end with EOS."""
    bounds = _BOUNDS if request.objective == "orpo" else ""
    if request.objective == "kto":  # cut later: answers stand behind other prompts too
        return _READ.replace("ids[:MAX_LENGTH]", "ids").replace("BOUNDS", "")
    return _READ.replace("MAX_LENGTH", str(request.max_length)).replace("BOUNDS", bounds)


def use_adapter(model: str, *, qlora: bool = False) -> str:
    """A program that asks the model with the downloaded adapter."""
    talk = json.dumps([{"role": "user", "content": "How do clouds form?"}])
    return (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"{named(model)}"
        f"{NF4 if qlora else ''}"
        "tokenizer = AutoTokenizer.from_pretrained(name)\n"
        f"model = AutoModelForCausalLM.from_pretrained(name{NF4_ARGUMENT if qlora else ''})\n"
        'model = PeftModel.from_pretrained(model, "adapter")  # the folder, unzipped\n'
        f'ids = tokenizer.apply_chat_template({talk}, add_generation_prompt=True, return_tensors="pt", '
        "return_dict=True)\n"
        "print(tokenizer.decode(model.generate(**ids, max_new_tokens=40, do_sample=False)[0]))\n"
    )
