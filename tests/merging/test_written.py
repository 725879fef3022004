"""The sizes that a check says, against the files that mergekit writes: tied parents beside untied ones,
dtypes that differ, rows matched by tokens, and parents without a tokenizer.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from mergekit.common import ModelReference
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from merging import vocabularies
from merging.check import check
from merging.request import Request
from merging.run import finished, merge
from merging.tensors import read_headers
from tests.merging.conftest import make_llama, relative

FLOAT16 = torch.float16


def rewritten(folder: Path, change, **settings) -> str:
    """A model with other weights and settings."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    return str(folder)


@pytest.fixture(scope="module")
def kin(tmp_path_factory) -> dict[str, str]:
    """Models of one shape: tied, untied; bf16, fp16; and llama3 of the zoo, one with a token more, one
    without a tokenizer.
    """
    root = tmp_path_factory.mktemp("kin")
    found = {"tied": make_llama(root / "tied", 0)}
    shutil.copytree(root / "tied", root / "untied")
    found["untied"] = rewritten(
        root / "untied",
        lambda old: {**old, "lm_head.weight": old["model.embed_tokens.weight"] + 1},
        tie_word_embeddings=False,
    )
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", FLOAT16)):
        shutil.copytree(root / "tied", root / name)
        found[name] = rewritten(
            root / name, lambda old, to=dtype: {key: one.to(to) for key, one in old.items()}
        )
    for name in ("llama3", "longer", "mute"):
        found[name] = str(relative("llama3", root / name))
    tokenizer = Tokenizer.from_file(str(root / "longer/tokenizer.json"))
    tokenizer.add_tokens(["quixotry"])
    tokenizer.save(str(root / "longer/tokenizer.json"))
    vocabulary = ("model.embed_tokens.weight", "lm_head.weight")
    rewritten(
        root / "longer",
        lambda old: {
            key: torch.cat([one, one[:1]]) if key in vocabulary else one for key, one in old.items()
        },
        vocab_size=json.loads((root / "longer/config.json").read_text())["vocab_size"] + 1,
    )
    for path in (root / "mute").glob("*token*"):
        path.unlink()
    return found


LINEAR = "merge_method: linear\nmodels:\n{}"
ONE = "- {{model: {}, parameters: {{weight: 1}}}}\n"


def linear(kin: dict[str, str], *names: str, **more: str) -> str:
    models = "".join(ONE.format(kin[name]) for name in names)
    return LINEAR.format(models) + "".join(f"{key}: {kin.get(value, value)}\n" for key, value in more.items())


@pytest.mark.parametrize(
    ("names", "more", "said"),
    [
        (("tied", "untied"), {"base_model": "tied"}, "transformers uses the embedding instead"),
        (("tied", "untied"), {"base_model": "untied"}, "whose embedding goes into it"),
        (("bf16", "fp16"), {}, ""),
        (("bf16", "fp16"), {"dtype": "bfloat16"}, ""),
        (("bf16", "tied"), {"dtype": "float32", "out_dtype": "float16"}, ""),
        (("llama3", "longer"), {"base_model": "llama3", "tokenizer_source": "union"}, ""),
        (("llama3", "longer"), {"base_model": "llama3", "tokenizer_source": "base"}, ""),
        (("llama3", "mute"), {"base_model": "llama3", "tokenizer_source": "union"}, "number its tokens as"),
    ],
)
def test_the_size_is_that_of_the_file(names, more, said, kin, tmp_path, quick):
    text = linear(kin, *names, **more)
    found = check(text)
    assert found.ok, found.findings
    child = finished(merge(Request(text), tmp_path)).folder
    assert found.plan.written == read_headers(child)
    assert found.plan.tensors == len(found.plan.written)
    file = child / "model.safetensors"
    assert 0 < file.stat().st_size - found.cost.disk < 10_000, "the header beside the weights"
    told = " ".join(one.message for one in found.findings if one.level == "warning")
    assert said in told and ("output matrix" in told) == ("tied" in names and "untied" in names)


def test_a_base_without_a_tokenizer_is_refused_where_mergekit_reads_it(kin, tmp_path, quick, monkeypatch):
    text = linear(kin, "llama3", "mute", base_model="mute", tokenizer_source="union")
    found = check(text)
    assert not found.ok and found.findings[0].where == "base_model", found.findings
    assert "has no tokenizer, and mergekit reads it" in found.findings[0].message
    monkeypatch.setattr(
        "merging.run.check", lambda _: check(linear(kin, "llama3", "mute", base_model="llama3"))
    )
    with pytest.raises(Exception, match="tokenizer"):
        finished(merge(Request(text), tmp_path))


def test_which_model_comes_first_without_a_base_is_known(kin):
    """The order of mergekit's set of references, whose hashes are those of tuples."""
    for name in ("models/0-a", "models/1-b+models/1-b-adapter"):
        model, _, lora = name.partition("+")
        adapter = (lora, None) if lora else None
        assert hash(ModelReference.parse(name)) == hash(((model, None), adapter, None))
    chosen = {
        vocabularies._first(tuple(((f"models/{n}-x{m}", None), None, None) for n in range(3)))
        for m in range(9)
    }
    assert len(chosen) > 1, "not always the same place"
    texts = [
        linear(kin, *names, tokenizer_source="union") for names in (("llama3", "mute"), ("mute", "llama3"))
    ]
    told = [check(text) for text in texts]
    for one in told:
        first = vocabularies.donor(list(one.sources), one.sources)
        assert one.ok == (first == kin["llama3"]), one.findings
