"""The chat Space of a made model: its files, the app that runs, and what it streams."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import runpy
import shutil

import pytest

from shared import chat_space
from shared.errors import VisitorError
from tests import zoo

SAYS = 'An edited model: "quoted" «MODEL_ID» <b>.'
FACTS = chat_space.Facts("model", 8_000_000_000, "bfloat16", SAYS)


def test_the_files_compile_name_the_model_and_hold_strange_words_as_text():
    made = chat_space.files("owner/child", FACTS, 'Say "no"\n\\')
    assert set(made) == {"README.md", "app.py", "requirements.txt"}
    compile(made["app.py"], "app.py", "exec")
    assert '"owner/child"' in made["app.py"] and "«" not in made["app.py"].replace("«MODEL_ID»", "")
    assert "sdk: gradio" in made["README.md"] and "<b>" not in made["README.md"]
    assert "torch" not in made["requirements.txt"]
    for bad in ("child", "a/b/c", '"; import os #', "../x/y", "", "made/x-y"):
        with pytest.raises(VisitorError, match="owner/name"):
            chat_space.files(bad, FACTS)


def test_a_larger_model_asks_for_more_seconds():
    small = dataclasses.replace(FACTS, parameters=135_000_000)
    assert chat_space.seconds(small, 256) < chat_space.seconds(FACTS, 256)
    assert chat_space.seconds(FACTS, 256) < chat_space.seconds(
        dataclasses.replace(FACTS, dtype="float32"), 256
    )


def started(folder, facts, monkeypatch, **names):
    """The app's own names, with local files in the place of the pushed ones."""
    path = folder / "app.py"
    path.write_text(chat_space.files("owner/child", facts)["app.py"])
    for name, place in names.items():
        monkeypatch.setenv(name, str(place))
    return runpy.run_path(str(path), run_name="app")


def written(model, tokenizer, talk, tokens):
    """What `generate` answers, as text."""
    settings = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
    asked = tokenizer.apply_chat_template(talk, **settings)
    made = model.generate(**asked, max_new_tokens=tokens)[0, asked["input_ids"].shape[1] :]
    return tokenizer.decode(made, skip_special_tokens=True)


@pytest.mark.parametrize("name", ["qwen2", "gemma2"], ids=["system role", "none"])
def test_the_app_streams_what_generate_answers(name, tmp_path, monkeypatch):
    folder = zoo.folder(name)
    facts = chat_space.facts_of(folder, SAYS)
    loaded = zoo.opened(name)
    assert facts.kind == "model"
    assert abs(facts.parameters - sum(one.numel() for one in loaded.model.parameters())) <= 0
    app = started(tmp_path, facts, monkeypatch, MODEL=folder)
    assert app["SAYS"] == SAYS
    app["model"].float()
    app["model"].generation_config.do_sample = False
    pieces = list(app["chat"]("What is red?", [], "Be short.", 12))
    assert len(pieces) > 1 and all(later.startswith(first) for first, later in itertools.pairwise(pieces))
    talk = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "What is red?"}]
    if name == "gemma2":
        talk = [{"role": "user", "content": "Be short.\n\nWhat is red?"}]
    model = app["model"]
    assert pieces[-1] == written(model, app["tokenizer"], talk, 12)
    assert 10 <= app["seconds"]("", [], "", 16) < app["seconds"]("", [], "", 1_024) <= chat_space.MOST_SECONDS


def test_an_adapter_answers_on_its_base_and_a_local_base_is_refused(tmp_path, monkeypatch):
    from peft import LoraConfig, get_peft_model

    name = next(name for name in zoo.names("chat", without=("bf16",)) if zoo.opened(name).stored == "float32")
    settings = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    adapted = get_peft_model(copy.deepcopy(zoo.opened(name).model), settings).eval()
    made = tmp_path / "adapter"
    adapted.save_pretrained(made)
    settings = json.loads((made / "adapter_config.json").read_text())
    (made / "adapter_config.json").write_text(json.dumps({**settings, "base_model_name_or_path": "qwen/two"}))
    facts = dataclasses.replace(chat_space.facts_of(made, SAYS), parameters=1)
    assert facts.kind == "adapter" and facts.base == "qwen/two"
    assert "peft" in chat_space.files("owner/child", facts)["requirements.txt"]
    app = started(tmp_path, facts, monkeypatch, MODEL=made, BASE=zoo.folder(name))
    app["model"].generation_config.do_sample = False
    talk = [{"role": "user", "content": "What is red?"}]
    adapted.generation_config.do_sample = False
    assert list(app["chat"]("What is red?", [], "", 8))[-1] == written(adapted, app["tokenizer"], talk, 8)
    other = tmp_path / "other"
    shutil.copytree(made, other)
    (other / "adapter_config.json").write_text(
        json.dumps({**settings, "base_model_name_or_path": "/home/me"})
    )
    with pytest.raises(VisitorError, match="Take the whole model"):
        chat_space.facts_of(other)


def test_files_that_are_gone_say_so(tmp_path):
    with pytest.raises(VisitorError, match="two hours"):
        chat_space.facts_of(tmp_path / "gone")
