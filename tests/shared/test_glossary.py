"""No word of the field goes unexplained: what the rooms and figures say is held to a list of its words."""

from __future__ import annotations

import re

from shared import suite
from shared.glossary import TERMS

# fmt: off
FIELD = [
    "token", "logit", "softmax", "nats", "temperature", "top-k", "top-p", "min-p", "greedy", "beams",
    "contrastive", "DoLa", "BOS", "EOS", "perplexity", "KLD", "entropy", "quantization", "GGUF", "SQNR",
    "kurtosis", "imatrix", "GPTQ", "AWQ", "bfloat16", "float32", "MLP", "attention", "LoRA", "QLoRA",
    "adapter", "SFT", "DPO", "ORPO", "KTO", "GRPO", "reward", "optimizer", "gradients", "SLERP", "TIES",
    "DARE", "gates", "CMA-ES", "AUC", "kernel", "Pareto", "Jaccard", "shingles", "MinHash",
    "permutations", "bands", "cosine", "precision", "recall", "contamination", "Wilson", "Brier",
    "calibration", "seed",
]
# fmt: on
WORDS = [word for words in TERMS for word in words]


def texts() -> str:
    """The texts of all rooms and figures: what stands in quotes in their sources."""
    sources = [
        path.read_text(encoding="utf-8")
        for pattern in ("*/*_rooms/*.py", "*/*/js/*.js")
        for path in sorted((suite.ROOT / "spaces").glob(pattern))
    ]
    quoted = re.findall(r'"([^"\n]* [^"\n]*)"', "\n".join(sources))
    return "\n".join(quoted)


def test_the_words_that_are_used_are_explained():
    said = texts()
    assert len(said) > 50_000
    explained = {part for word in WORDS for part in (word, *word.split())}
    used = [word for word in FIELD if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said)]
    assert len(used) > 40
    assert [word for word in used if word not in explained] == []


def test_each_word_stands_once_and_is_explained_in_a_sentence_or_two():
    lower = [word.lower() for word in WORDS]
    assert sorted({word for word in lower if lower.count(word) > 1}) == []
    for words, says in TERMS.items():
        assert 20 < len(says) < 200 and says.endswith("."), words
        assert len(re.findall(r"[.:;](?= |$)", says)) <= 3, words
