"""Before a GGUF file leaves: llama.cpp cuts texts into the same tokens as the tokenizer, and predicts what
the measured model predicts. A file that does not pass is not handed out.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from quantization import gguf_families, llama_cpp
from shared import ggml, talk
from shared.errors import VisitorError
from shared.estimates import median
from shared.models import Loaded
from shared.texts import sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedModel

TEXTS = (
    "Hello,  world! 3 33 333 3333 33333 12345678 3.14 3..3\n\n\n\ttabs\t\t and   spaces   \n \n",
    "I've been 'told he's there, 'RE you sure? WE'LL DON'T ünïcödé 한국어 你好，世界。 Привет שלום مرحبا "
    "हिन्दी 🚀😶\u200d🌫️✅",
    "def f(x):\n    return x**2  # comment\n\n<b>&amp;</b> a_b-c/d\\e {\"k\": [1, 2]} ''''``` ------=====",
    "",
)
"""What tokenizers stumble over: digits, blanks, apostrophes, scripts, emoji of several code points, code."""

TOKENS = 48
"""After which logits are compared."""

NEAR, EXACT = 0.1, 0.002
"""KL divergence that is allowed at the median token, in nats: llama.cpp multiplies blocks by activations of
8 bits, and types without blocks nearly as PyTorch does. Measured on 24 tiny models of every family: up to
0.005, and 3·10⁻⁵; a wrong setting or order of rows gives 0.3 and more. The median, because a rounded
activation may choose another expert of a mixture now and then.
"""


def check(path: Path, loaded: Loaded, model: PreTrainedModel, types: Iterable[str], text: str = "") -> float:
    """Have llama.cpp read a file.

    Args:
        path: of the file.
        loaded: the base model, with its tokenizer.
        model: the quantized model as it was measured.
        types: of the file's matrices.
        text: the visitor's, or "".

    Returns:
        KL divergence of llama.cpp's predictions from the measured model's at the median token, nats.

    Raises:
        VisitorError: tokens or predictions differ, or llama.cpp cannot load the file; the file is gone.
    """
    try:
        return _checked(path, loaded, model, types, text)
    except VisitorError:
        path.unlink(missing_ok=True)
        raise


def _checked(path: Path, loaded: Loaded, model: PreTrainedModel, types: Iterable[str], text: str) -> float:
    import torch

    texts = [unicodedata.normalize("NFC", one) for one in (*TEXTS, text[:20_000]) if one or one is TEXTS[-1]]
    longest = min(TOKENS, talk.context_limit(loaded) or TOKENS)
    window = gguf_families.ignored_window(loaded.model.config)
    source = text if len(text) > 400 else sample("evaluation")
    ids = list(loaded.tokenizer(source[:4_000]).input_ids)[: min(longest, window or longest)]
    tokens, logits = llama_cpp.read(path, texts, ids)
    for one, theirs in zip(texts, tokens, strict=True):
        ours = list(loaded.tokenizer(one).input_ids)
        if ours != theirs:
            raise VisitorError(
                "llama.cpp would cut a text into other tokens than the tokenizer, at "
                f"{_parting(loaded, ours, theirs)}; the file was not kept.",
                "Choose another engine, and report the model.",
            )
    with torch.inference_mode():
        measured = model(torch.tensor([ids], device=model.device), use_cache=False).logits[0].double().cpu()
    p = measured.log_softmax(-1)
    q = torch.from_numpy(logits).double()[:, : p.shape[1]].log_softmax(-1)
    distance = median((p.exp() * (p - q)).sum(-1))
    allowed = EXACT if set(types) <= set(ggml.PLAIN) else NEAR
    if not distance <= allowed:
        raise VisitorError(
            f"llama.cpp predicts something else with this file: {distance:.2g} nats of KL divergence from "
            f"the measured model at the median token, where {allowed:g} are allowed; the file was not kept.",
            "Choose another engine, and report the model.",
        )
    return distance


def _parting(loaded: Loaded, ours: list[int], theirs: list[int]) -> str:
    """Where two lists of tokens part, for a reader."""
    place = next(
        (at for at, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
        min(len(ours), len(theirs)),
    )
    words = [
        "“" + "".join(loaded.tokenizer.convert_ids_to_tokens(ids[place : place + 3])) + "”"
        for ids in (ours, theirs)
    ]
    return f"{words[1]} where it should be {words[0]}"
