"""What mends a finding: a few lines for TRL, a few of YAML for Axolotl."""

from __future__ import annotations

import re
from collections.abc import Sequence

from finetuning.data import Fix

TRL, AXOLOTL, UNSLOTH, DATA = "TRL", "Axolotl", "Unsloth", "the rows"


def fix(label: str, text: str) -> Fix:
    """One fix."""
    return {"label": label, "text": text.strip("\n") + "\n"}


COMPLETION = fix(
    TRL,
    """
# each answer is a completion: prompts are never trained on, whatever the template
def split(row):
    talk = row["messages"]
    return {"prompt": talk[:-1], "completion": talk[-1:]}

dataset = dataset.map(split, remove_columns="messages")
trainer = SFTTrainer(model, train_dataset=dataset, args=SFTConfig())  # completion_only_loss follows
""",
)

ASSISTANT = fix(TRL, "args = SFTConfig(assistant_only_loss=True)  # the template must have {% generation %}")

AXOLOTL_CHAT = fix(
    AXOLOTL,
    """
datasets:
  - path: rows.jsonl
    type: chat_template
    roles_to_train: [assistant]
    train_on_eos: turn
""",
)


def marked(template: str) -> Fix:
    """A template that writes the same text, with answer and stop token marked."""
    return fix(
        TRL,
        "# the same text, answer and stop token marked; checked on every row shown here\n"
        f"tokenizer.chat_template = (\n{_lines(template)})\n"
        "args = SFTConfig(assistant_only_loss=True)",
    )


def _lines(text: str, width: int = 80) -> str:
    """A template as lines of Python, cut behind its tags."""
    lines = [""]
    for part in re.findall(r".*?(?:%\}|\}\}|$)", text, re.DOTALL):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "".join(f"    {line!r}\n" for line in lines if line)


def move_stop(stop: str) -> Fix:
    """The stop token inside the marks."""
    return fix(
        TRL,
        "# in the chat template, end the mark behind the stop token:\n"
        f"{{% generation %}}{{{{ message.content }}}}{stop}{{% endgeneration %}}",
    )


def eot(stops: Sequence[str]) -> Fix:
    """The stop tokens by name, as Axolotl wants them."""
    names = "\n".join(f"  - {_yaml(stop)}" for stop in stops)
    return fix(AXOLOTL, f"eot_tokens:\n{names}")


def eos(stop: str) -> Fix:
    """The stop token as the EOS token."""
    return fix(TRL, f"args = SFTConfig(eos_token={stop!r})  # for generate() too")


def special(stop: str) -> Fix:
    """The stop token as Axolotl's EOS."""
    return fix(AXOLOTL, f"special_tokens:\n  eos_token: {_yaml(stop)}")


def pad(token: str) -> list[Fix]:
    """Another pad token."""
    return [
        fix(TRL, f"tokenizer.pad_token = {token!r}  # any token that no answer ends with"),
        fix(AXOLOTL, f"special_tokens:\n  pad_token: {_yaml(token)}"),
    ]


def length(tokens: int) -> list[Fix]:
    """A window that holds the longest row."""
    return [
        fix(TRL, f"args = SFTConfig(max_length={tokens})"),
        fix(AXOLOTL, f"sequence_len: {tokens}\nexcess_length_strategy: raise"),
    ]


def add_tokens(marks: Sequence[str]) -> list[Fix]:
    """Marks of a template as tokens."""
    names = "\n".join(f"  - {_yaml(mark)}" for mark in marks)
    return [
        fix(
            TRL,
            f"tokenizer.add_tokens({list(marks)!r}, special_tokens=True)\n"
            "model.resize_token_embeddings(len(tokenizer))\n"
            "# new rows must be learnt: with LoRA, train the embedding too\n"
            'peft_config = LoraConfig(modules_to_save=["embed_tokens", "lm_head"])',
        ),
        fix(AXOLOTL, f"tokens:\n{names}\nlora_modules_to_save: [embed_tokens, lm_head]"),
    ]


SYSTEM = [
    fix(
        TRL,
        """
# the template has no place for a system message: give it to the first question
def moved(row):
    system, question, *rest = row["messages"]
    text = system["content"] + "\\n\\n" + question["content"]
    return {"messages": [{**question, "content": text}, *rest]}

dataset = dataset.map(moved)
""",
    ),
    fix(AXOLOTL, "# the same change to the rows; Axolotl renders with the same template"),
]

SYSTEM_COLUMN = fix(
    TRL,
    """
def with_system(row):
    first = {"role": "system", "content": row["system"]}
    return {"messages": [first, *row["messages"]]}

dataset = dataset.map(with_system, remove_columns="system")
""",
)

ROLES = fix(
    TRL,
    """
names = {"human": "user", "gpt": "assistant"}

def renamed(row):
    talk = row["conversations"]
    return {"messages": [{"role": names.get(m["from"], m["from"]), "content": m["value"]} for m in talk]}

dataset = dataset.map(renamed, remove_columns="conversations")
""",
)

ROLES_UNSLOTH = fix(
    UNSLOTH,
    """
from unsloth.chat_templates import standardize_sharegpt
dataset = standardize_sharegpt(dataset)
""",
)

ROLES_AXOLOTL = fix(
    AXOLOTL,
    """
datasets:
  - path: rows.jsonl
    type: chat_template
    field_messages: conversations
    message_property_mappings:
      role: from
      content: value
""",
)


def without(column: str) -> Fix:
    """A column dropped."""
    return fix(TRL, f"dataset = dataset.remove_columns({column!r})")


def renamed(column: str, name: str) -> Fix:
    """A column renamed."""
    return fix(TRL, f"dataset = dataset.rename_column({column!r}, {name!r})")


PARSED = fix(
    TRL,
    """
import json

dataset = dataset.map(lambda row: {"messages": json.loads(row["messages"])})
""",
)

CONVERSATIONS = fix(
    TRL, 'dataset = dataset.rename_column("messages", "conversations")  # from and value are renamed there'
)

KWARGS = fix(
    TRL,
    """
def whole(row):
    return {"chat_template_kwargs": row["chat_template_kwargs"] or {}}

dataset = dataset.map(whole)
""",
)

WANTED_ALONE = fix(
    TRL, 'dataset = dataset.filter(lambda row: row["label"])  # or all of them, with KTOTrainer'
)

NULLS = fix(
    TRL,
    """
# rows from a list or from JSON: as they are, without the keys of other rows
dataset = Dataset.from_list(rows, on_mixed_types="use_json")
# a dataset that was saved with the nulls:
from trl.trainer.utils import remove_none_values

dataset = dataset.with_transform(remove_none_values)
""",
)

JOINED = fix(
    TRL,
    """
# the template takes texts: join the parts of each message
def joined(row):
    def text(content):
        return content if isinstance(content, str) else "".join(part["text"] for part in content)

    return {"messages": [{**one, "content": text(one["content"])} for one in row["messages"]]}

dataset = dataset.map(joined)
""",
)

BOS = [
    fix(
        TRL,
        """
# hand over the conversation, not its text: the trainer renders it without a second BOS
dataset = Dataset.from_list([{"messages": talk} for talk in talks])
# or, where the text is what there is:
dataset = dataset.map(lambda row: {"text": row["text"].removeprefix(tokenizer.bos_token)})
""",
    ),
    fix(AXOLOTL, "datasets:\n  - path: rows.jsonl\n    type: chat_template  # renders once, adds nothing"),
]

SPLIT_TURNS = fix(
    TRL,
    """
# one row for each answer, so that each stands behind the text that it will be asked with
def turns(rows):
    ends = [(t, n) for t in rows["messages"] for n, m in enumerate(t) if m["role"] == "assistant"]
    return {"prompt": [t[:n] for t, n in ends], "completion": [[t[n]] for t, n in ends]}

dataset = dataset.map(turns, batched=True, remove_columns="messages")
""",
)

DROP_EMPTY = fix(
    TRL, 'dataset = dataset.filter(lambda row: all(m["content"].strip() for m in row["messages"]))'
)

END_WITH_ANSWER = fix(
    TRL,
    """
def ended(row):
    talk = row["messages"]
    while talk and talk[-1]["role"] != "assistant":
        talk = talk[:-1]
    return {"messages": talk}

dataset = dataset.map(ended).filter(lambda row: row["messages"])
""",
)


def markers(instruction: str, response: str) -> Fix:
    """Unsloth's two markers."""
    return fix(
        UNSLOTH,
        "trainer = train_on_responses_only(\n"
        f"    trainer,\n    instruction_part={instruction!r},\n    response_part={response!r},\n)",
    )


def _yaml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
