"""Chat templates to try a tokenizer with: the forms that most published models write, in a few lines each.

They follow the published formats, they are not the publishers' files: those come with a model of the Hub.
"""

from __future__ import annotations

from dataclasses import dataclass

_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_CHATML_MARKED = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ message.content }}<|im_end|>{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_CHATML_NO_STOP = _CHATML_MARKED.replace(
    "{{ message.content }}<|im_end|>{% endgeneration %}", "{{ message.content }}{% endgeneration %}<|im_end|>"
)
_SMOLLM2 = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful AI assistant named SmolLM, "
    "trained by Hugging Face<|im_end|>\n{% endif %}"
)
_LLAMA3_LINE = "<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n"
_LLAMA3_END = (
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}"
    + _LLAMA3_LINE
    + "{{ message.content | trim }}<|eot_id|>"
    + _LLAMA3_END
)
_LLAMA3_MARKED = (
    "{{ bos_token }}{% for message in messages %}" + _LLAMA3_LINE + "{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content | trim }}<|eot_id|>{% endgeneration %}"
    "{% else %}{{ message.content | trim }}<|eot_id|>{% endif %}" + _LLAMA3_END
)
_ALTERNATE = (
    "{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% endfor %}"
)
_GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}" + _ALTERNATE + "{% for message in messages %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
_MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]"
    "{% elif message.role == 'assistant' %} {{ message.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
_THINKING = (
    "{% set last = namespace(user=-1) %}{% for message in messages %}{% if message.role == 'user' %}"
    "{% set last.user = loop.index0 %}{% endif %}{% endfor %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' and loop.index0 < last.user %}"
    "{{ message.content.split('</think>')[-1].lstrip('\\n') }}{% else %}{{ message.content }}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_GLM = (
    "[gMASK]<sop>{% for message in messages %}<|{{ message.role }}|>\n"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}{% endgeneration %}"
    "{% else %}{{ message.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_PHI3 = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)


@dataclass(frozen=True)
class Preset:
    """A template, and what a tokenizer must know for it.

    Args:
        template: in jinja.
        tokens: that the template writes; those that a tokenizer lacks are added, as TRL's
            `clone_chat_template` does.
        eos: the tokenizer's EOS token with it; "" keeps its own.
        marks: what it marks by `{% generation %}`: "" for nothing.
    """

    template: str
    tokens: tuple[str, ...]
    eos: str = ""
    marks: str = ""


_IM = ("<|im_start|>", "<|im_end|>")
_HEADER = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>")

PRESETS: dict[str, Preset] = {
    "chatml": Preset(_CHATML, _IM, "<|im_end|>"),
    "chatml-marked": Preset(_CHATML_MARKED, _IM, "<|im_end|>", "answer and stop"),
    "chatml-stop-outside": Preset(_CHATML_NO_STOP, _IM, "<|im_end|>", "answer"),
    "llama3": Preset(_LLAMA3, _HEADER, "<|eot_id|>"),
    "llama3-marked": Preset(_LLAMA3_MARKED, _HEADER, "<|eot_id|>", "answer and stop"),
    "gemma": Preset(_GEMMA, ("<start_of_turn>", "<end_of_turn>", "<eos>"), "<eos>"),
    "mistral": Preset(_MISTRAL, ("[INST]", "[/INST]", "</s>"), "</s>"),
    "thinking": Preset(_THINKING, (*_IM, "<think>", "</think>"), "<|im_end|>"),
    "glm": Preset(
        _GLM,
        ("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|endoftext|>"),
        "<|endoftext|>",
        "answer",
    ),
    "phi3": Preset(
        _PHI3, ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"), "<|endoftext|>"
    ),
}
"""By name."""

MARKED = {
    "chatml-marked": _CHATML_MARKED,
    "chatml-marked, with SmolLM2's system message": _SMOLLM2 + _CHATML_MARKED,
    "llama3-marked": _LLAMA3_MARKED,
}
"""Templates with answer and stop marked, to offer in the place of one that writes the same text."""
