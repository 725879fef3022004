"""The code that reproduces a llama.cpp strategy: in plain torch, and the flags for llama.cpp itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from decoding import data
from decoding.programs import comment, opening
from decoding.request import Request
from decoding.strategy import Strategy

FLAGS = {
    "temperature": "--temp",
    "dynatemp_range": "--dynatemp-range",
    "dynatemp_exponent": "--dynatemp-exp",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "min_p": "--min-p",
    "typical_p": "--typical",
    "top_n_sigma": "--top-n-sigma",
    "xtc_probability": "--xtc-probability",
    "xtc_threshold": "--xtc-threshold",
    "repeat_last_n": "--repeat-last-n",
    "repeat_penalty": "--repeat-penalty",
    "presence_penalty": "--presence-penalty",
    "frequency_penalty": "--frequency-penalty",
    "dry_multiplier": "--dry-multiplier",
    "dry_base": "--dry-base",
    "dry_allowed_length": "--dry-allowed-length",
    "dry_penalty_last_n": "--dry-penalty-last-n",
    "dry_sequence_breakers": "--dry-sequence-breaker",
    "mirostat": "--mirostat",
    "mirostat_tau": "--mirostat-ent",
    "mirostat_eta": "--mirostat-lr",
    "adaptive_target": "--adaptive-target",
    "adaptive_decay": "--adaptive-decay",
    "samplers": "--samplers",
}
"""llama.cpp's command-line flags; min_keep has none."""

_LOOP = '''
eos = model.generation_config.eos_token_id
ends = set(eos if isinstance(eos, list) else [eos])
start = len(tokenizer.decode(inputs["input_ids"][0]))


def sample(settings, breakers, seed, new_tokens, tokens):
    """Draw new tokens after those of a text; one forward pass of the whole text for each."""
    generator, taken = torch.Generator().manual_seed(seed), []
    for _ in range(new_tokens):
        with torch.inference_mode():
            logits = model(torch.tensor([tokens])).logits[0, -1].float()
        chance = float(torch.rand(1, generator=generator)) if "xtc" in settings.stages() else 0.0
        after = run(logits, settings, Memory(tokens, breakers, chance, tuple(taken)))
        scores = after[-1].logits.float() if after else logits
        token = int(torch.multinomial(torch.softmax(scores, dim=-1), 1, generator=generator))
        kept = remembered(token, settings, logits, after)
        taken += [] if kept is None else [kept]
        tokens = [*tokens, token]
        if token in ends:
            break
    return tokens
'''


def _samplers() -> str:
    """The samplers and their settings as one file."""
    settings, chain = (
        (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8") for name in ("parameters", "chain")
    )
    known = ("from __future__", "from decoding.")
    lines = [line for line in chain.splitlines() if not line.startswith(known)]
    return "\n".join([settings, "", *lines])


def torch_program(request: Request, trace: data.Trace) -> str:
    """The Python that reproduces the llama.cpp strategies of a run with torch and transformers.

    Args:
        request: the run's.
        trace: its result.
    """
    lines = [_samplers(), "", *opening(request, trace), _LOOP]
    for strategy, run in _spoken(request, trace):
        stated = {name: value for name, value in strategy.config.items() if name != "runtime"}
        arguments = ", ".join(
            f"{name}={tuple(value) if isinstance(value, list) else value!r}" for name, value in stated.items()
        )
        breakers = {one["token"]: [tuple(tail) for tail in one["tails"]] for one in run.get("breakers") or []}
        tokens = 'inputs["input_ids"][0].tolist()'
        if strategy.prefix:
            tokens += f" + {list(strategy.prefix)}"
        lines += [
            "",
            f"# {comment(strategy.name)}",
            f"settings = Settings({arguments})",
            f"breakers = {breakers!r}",
            f"tokens = {tokens}",
            f"tokens = sample(settings, breakers, {request.seed}, "
            f"{request.max_new_tokens - len(strategy.prefix)}, tokens)",
            "print(repr(tokenizer.decode(tokens)[start:]))",
        ]
    return "\n".join(lines).rstrip() + "\n"


def flags_program(request: Request, trace: data.Trace) -> str:
    """The same settings for llama.cpp's own programs.

    Args:
        request: the run's.
        trace: its result.
    """
    lines = [
        "# model.gguf: a GGUF file of the model, for example from the Quantization demo.",
        "# llama.cpp draws with another generator: the distributions are those of the page, the text of a",
        "# seed is not. A GGUF file may bring sampling defaults of its own (general.sampling.*).",
    ]
    for strategy, _ in _spoken(request, trace):
        stated = {name: value for name, value in strategy.config.items() if name != "runtime"}
        words = ["llama-completion", "-no-cnv", "--model", "model.gguf", "--prompt", request.prompt]
        words += ["--predict", str(request.max_new_tokens), "--seed", str(request.seed)]
        words += [word for name, value in stated.items() for word in _flag(name, value)]
        body = {"prompt": request.prompt, "n_predict": request.max_new_tokens, "seed": request.seed, **stated}
        lines += [
            "",
            f"# {comment(strategy.name)}",
            shlex.join(words),
            "# or, of a running llama-server:",
            "curl http://127.0.0.1:8080/completion --json "
            + shlex.quote(json.dumps(body, ensure_ascii=False)),
        ]
    return "\n".join(lines) + "\n"


def _flag(name: str, value: Any) -> Iterator[str]:
    if name not in FLAGS:
        return
    if name == "dry_sequence_breakers":
        for text in value or ["none"]:
            yield from (FLAGS[name], text)
        return
    yield FLAGS[name]
    yield ";".join(value) if name == "samplers" else str(value)


def _spoken(request: Request, trace: data.Trace) -> list[tuple[Strategy, data.Run]]:
    pairs = zip(request.strategies, trace["runs"], strict=True)
    return [(strategy, run) for strategy, run in pairs if strategy.kind == "llama_cpp"]
