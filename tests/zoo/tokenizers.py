"""Tokenizers and chat templates of the zoo: three kinds, trained on the suite's own texts in milliseconds."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from shared.texts import sample

MERGES = 220
"""Pieces that a tokenizer learns beside the bytes."""

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")


def _texts() -> list[str]:
    return [sample("calibration"), sample("evaluation")]


@cache
def _pieces(kind: str, size: int, split: str | None = None) -> tuple[dict[str, int], list[Any]]:
    """Vocabulary and merges of a BPE of `size` learnt pieces, "bytes" as GPT-2's or "words" as Llama's."""
    learner = Tokenizer(models.BPE())
    if kind == "bytes":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        learner.pre_tokenizer = _byte_split(split)
        trainer = trainers.BpeTrainer(
            vocab_size=len(alphabet) + size, initial_alphabet=alphabet, show_progress=False
        )
    else:
        learner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        trainer = trainers.BpeTrainer(vocab_size=60 + size, show_progress=False)
    learner.train_from_iterator(_texts(), trainer)
    learnt = json.loads(learner.to_str())["model"]
    return learnt["vocab"], [tuple(pair) for pair in learnt["merges"]]


def _byte_split(split: str | None) -> Any:
    if split is None:
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def byte_level(specials: list[str], split: str | None = None, bos: str | None = None) -> Tokenizer:
    """Byte-level BPE as in GPT-2 (`split` None), Llama 3 and Qwen; special tokens come last.

    Args:
        specials: special tokens.
        split: the pattern that cuts a text into words.
        bos: the special token that the post-processor puts before every text.
    """
    vocabulary, merges = _pieces("bytes", MERGES, split)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    if split == QWEN_SPLIT:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _byte_split(split)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    steps: list[Any] = [processors.ByteLevel(trim_offsets=False)]
    if bos:
        steps.append(_around(tokenizer, before=bos))
    tokenizer.post_processor = processors.Sequence(steps)
    return tokenizer


def sentencepiece(specials: list[str], prefix: bool, bos: str | None = None) -> Tokenizer:
    """BPE with byte fallback, special tokens first: as Gemma's without, as Llama 2's with a space before
    every text.
    """
    learnt, merges = _pieces("words", MERGES)
    names = [*specials, *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {name: place for place, name in enumerate(names)}
    for piece in sorted(learnt, key=learnt.__getitem__):
        vocabulary.setdefault(piece, len(vocabulary))
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    decoder = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if prefix:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        decoder.append(decoders.Strip(" ", 1, 0))
    else:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(decoder)
    tokenizer.add_special_tokens(specials)
    if bos:
        tokenizer.post_processor = _around(tokenizer, before=bos)
    return tokenizer


def unigram(specials: list[str], eos: str) -> Tokenizer:
    """Unigram pieces as T5's, which put `eos` after every text; the library's own trainer gives other pieces
    each time.
    """
    text = "▁" + "▁".join("\n".join(_texts()).split())
    counts = {piece: text.count(piece) for piece in _pieces("words", MERGES)[0]}
    scores = [(piece, math.log(count / len(text))) for piece, count in counts.items() if count]
    vocabulary = [*((token, 0.0) for token in specials), *scores]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=specials.index("<unk>"), byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = _around(tokenizer, after=eos)
    return tokenizer


def _around(tokenizer: Tokenizer, before: str = "", after: str = "") -> Any:
    """A post-processor that puts a special token before or after every text."""
    parts = [part for part in (before, "$A", after) if part]
    second = [f"{part}:1" for part in (before, "$B", after) if part]
    return processors.TemplateProcessing(
        single=parts,
        pair=[*parts, *second],
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (before, after) if token],
    )


def save(tokenizer: Tokenizer, folder: Path, template: Any = None, **settings: Any) -> int:
    """Write tokenizer.json and tokenizer_config.json; returns how many ids the tokenizer has.

    Args:
        tokenizer: the tokenizer.
        folder: where to.
        template: a chat template, or a list of named ones.
        settings: the other keys of tokenizer_config.json.
    """
    tokenizer.save(str(folder / "tokenizer.json"))
    if template is not None:
        settings["chat_template"] = template
    settings = {"clean_up_tokenization_spaces": False, "model_max_length": 1024, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))
    return tokenizer.get_vocab_size()


_ALTERNATE = (
    "{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% endfor %}"
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}"
    "<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n{{ message.content | trim }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}" + _ALTERNATE + "{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}" + _ALTERNATE + "{% for message in messages %}"
    "{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]"
    "{% else %} {{ message.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
ZEPHYR = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
HIDDEN_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}" + CHATML
)
THINKING = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.role == 'assistant' %}"
    "{{ message.content.split('</think>')[-1].lstrip('\n') }}{% else %}{{ message.content }}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
PHI3 = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)
_TOOL_USE = {
    "name": "tool_use",
    "template": "<|im_start|>system\nTools: {{ tools | tojson }}<|im_end|>\n" + CHATML,
}
SEVERAL = [{"name": "default", "template": CHATML}, _TOOL_USE]
NO_DEFAULT = [
    {
        "name": "rag",
        "template": "<|im_start|>documents\n{{ documents | tojson }}<|im_end|>\n" + CHATML,
    },
    _TOOL_USE,
]
