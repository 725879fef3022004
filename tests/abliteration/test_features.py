"""Sparse autoencoders: pursuit against planted sums, training with sae-lens, single features, and what is
refused.
"""

from __future__ import annotations

import copy
import socket

import pytest
import torch

from abliteration import autoencoder, encode, features
from abliteration.architecture import inspect
from abliteration.outcome import run
from abliteration.request import Request
from abliteration.tokens import Tokens, collect, streams_at
from shared import models
from shared.errors import VisitorError
from tests.abliteration.conftest import logits, prompts, weights

RUNS = prompts(6)
LAYER = 1


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """The tiny Llama in float32 with an autoencoder of its second layer's input."""
    model = tiny("llama")
    anatomy = inspect(model)
    tokens = collect(model, anatomy, prompts(12), LAYER)
    folder = tmp_path_factory.mktemp("sae")
    *states, last = autoencoder.train(
        tokens, LAYER, "tiny/llama", folder, features=64, k=8, steps=120, rate=3e-3
    )
    return model, anatomy, tokens, folder, states, last


def test_pursuit_finds_a_planted_sum():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 64, generator=generator) * torch.rand(200, 1, generator=generator)
    units = torch.nn.functional.normalize(rows, dim=-1)
    planted = 0.8 * units[17] - 0.5 * units[120] + 0.3 * units[3]
    size = float(planted.norm())
    found = features.pursue(planted / size, rows, 3)
    assert {atom["feature"]: round(atom["coefficient"] * size, 3) for atom in found.atoms} == {
        17: 0.8,
        120: -0.5,
        3: 0.3,
    }
    assert found.explained[-1] == pytest.approx(1, abs=1e-6) and found.explained == sorted(found.explained)
    assert found.null[2][2] < 0.6 and all(row == sorted(row) for row in found.null)


def test_pursuit_of_a_random_direction_is_within_its_null():
    generator = torch.Generator().manual_seed(1)
    rows, wanted = torch.randn(128, 48, generator=generator), torch.randn(48, generator=generator)
    found = features.pursue(wanted / wanted.norm(), rows, 6)
    assert all(
        low * 0.7 < value < high * 1.3
        for value, (low, _, high) in zip(found.explained, found.null, strict=True)
    )


def test_training_saves_what_sae_lens_loads(trained):
    from sae_lens.saes.sae import SAE

    model, anatomy, tokens, folder, states, last = trained
    assert [state.step for state in states] == list(range(10, 121, 10)) and states[-1].loss < states[0].loss
    assert last.explained > 0.6 and last.sae.cfg.d_in == 32 and last.dead < 64
    again = SAE.load_from_disk(str(folder))
    rows = tokens.activations[:9]
    assert torch.allclose(again.encode(rows), last.sae.encode(rows))
    assert int((again.encode(rows) > 0).sum(1).max()) <= 8
    assert autoencoder.load(folder, model, anatomy, LAYER)[1] == LAYER
    with torch.inference_mode():
        left = (tokens.activations - again.decode(again.encode(tokens.activations))).square().sum()
    total = (tokens.activations - tokens.activations.mean(0)).square().sum()
    assert autoencoder.quality(again, tokens)[0] == pytest.approx(1 - float(left / total), abs=1e-3)


def test_another_width_or_layer_is_refused(trained, tiny, tmp_path):
    model, anatomy, _, folder, _, _ = trained
    for source, layer, said in (
        (folder, 2, "layer 1's input"),
        (tmp_path, 1, "could not be loaded"),
        (str(folder), 1, "registry has no"),
    ):
        with pytest.raises(VisitorError) as caught:
            autoencoder.load(source, model, anatomy, layer)
        assert said in caught.value.what and caught.value.remedy
    import dataclasses

    with pytest.raises(VisitorError) as caught:
        autoencoder.load(folder, model, dataclasses.replace(anatomy, width=48))
    assert "32" in caught.value.what and "48" in caught.value.what
    for name, said in (
        ("blocks.1.mlp.hook_out", "not the residual stream"),
        (None, "not the residual stream"),
        ("blocks.2.hook_resid_post", "no layer 3"),
    ):
        with pytest.raises(VisitorError) as caught:
            autoencoder.check(32, name, anatomy)
        assert said in caught.value.what
    assert (
        autoencoder.check(32, "blocks.0.hook_resid_post", anatomy) == 1
    )  # a block's output is the next one's input
    for values in ({"features": 4}, {"k": 0}, {"steps": 10**5}):
        with pytest.raises(VisitorError):
            list(autoencoder.train(trained[2], LAYER, "x", tmp_path / "no", **values))
    with pytest.raises(VisitorError):
        collect(model, anatomy, RUNS, 3)


def test_an_autoencoder_of_the_registry_is_checked_before_its_download(tiny, monkeypatch):
    from sae_lens.loading import pretrained_sae_loaders
    from sae_lens.saes.sae import SAE

    model, anatomy = tiny("llama"), inspect(tiny("llama"))
    monkeypatch.setattr(autoencoder, "registry", lambda: {"release": ["blocks.1/id"]})
    stated = {"d_in": 32, "d_sae": 1_024, "metadata": {"hook_name": "blocks.1.hook_resid_pre"}}
    asked = []
    monkeypatch.setattr(SAE, "from_pretrained", lambda *_, **__: pytest.fail("the weights were downloaded"))
    for changed, said in (
        ({"d_in": 768}, "768 numbers"),
        ({"d_sae": 2**25}, "2,147 million weights"),
        ({"d_sae": None}, "could not be loaded"),
        ({"metadata": {"hook_name": "blocks.1.attn.hook_z"}}, "not the residual stream"),
        ({"metadata": {"hook_name": "blocks.0.hook_resid_pre"}}, "layer 0's input, not layer 1's"),
    ):
        answer = {**stated, **changed}
        monkeypatch.setattr(
            pretrained_sae_loaders,
            "load_sae_config_from_huggingface",
            lambda *names, answer=answer: asked.append(names) or answer,
        )
        with pytest.raises(VisitorError) as caught:
            autoencoder.load("release/blocks.1/id", model, anatomy, LAYER)
        assert said in caught.value.what and caught.value.remedy
    with pytest.raises(VisitorError, match="registry has no someone"):  # sae-lens takes it for a repository
        autoencoder.load("someone/blocks.1/id", model, anatomy, LAYER)
    assert set(asked) == {("release", "blocks.1/id")}


def test_names_are_looked_up_in_the_registry_inside_sae_lens(monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("the network was asked"))
    known = autoencoder.registry()
    assert len(known) > 100 and "blocks.0.hook_resid_pre" in known["gpt2-small-res-jb"]
    autoencoder.check_name("gpt2-small-res-jb/blocks.7.hook_resid_pre")
    for name, said, near in (
        ("gpt2-smal-res-jb/blocks.7.hook_resid_pre", "registry has no", "gpt2-small-res-jb/"),
        ("gpt2-small-res-jb/blocks.77.hook_resid_pre", "has no blocks.77", "gpt2-small-res-jb/blocks.7.hook"),
        ("gpt2-small-res-jb", "without an id", "gpt2-small-res-jb/"),
        ("jbloom/GPT2-Small-SAEs-Reformatted", "registry has no", ""),
    ):
        with pytest.raises(VisitorError) as caught:
            autoencoder.check_name(name)
        assert said in caught.value.what and near in caught.value.remedy


def test_a_name_is_checked_before_the_model_is_loaded(monkeypatch):
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(VisitorError, match="registry has no"):
        list(run.prepare("features", Request.parse(sae="no-such-release/at-all")))


def test_an_autoencoder_of_centred_weights_reads_a_centred_stream(trained):
    model, anatomy, tokens, _folder, _, last = trained
    metadata = last.sae.cfg.metadata
    assert not autoencoder.is_centred(metadata) and not autoencoder.is_centred({})
    said = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    assert autoencoder.is_centred(said)
    centred = autoencoder.Centred(last.sae)
    rows = tokens.activations[:5]
    shifted = rows + 3 * torch.arange(5)[:, None]
    assert torch.allclose(centred.encode(rows), centred.encode(shifted), atol=1e-3)
    assert torch.allclose(centred.encode(rows), last.sae.encode(rows - rows.mean(-1, keepdim=True)))
    flat = rows - rows.mean(-1, keepdim=True)
    with torch.inference_mode():
        rest = flat - last.sae.decode(last.sae.encode(flat))
    left = rest.square().sum() / (flat - flat.mean(0)).square().sum()
    few = Tokens(rows, tokens.texts, tokens.owner[:5], tokens.place[:5])
    assert autoencoder.quality(centred, few)[0] == pytest.approx(1 - float(left), abs=1e-3)
    made = features.steered(copy.deepcopy(model).float(), anatomy, centred, LAYER, 0, 2.0)
    assert torch.isfinite(logits(made, RUNS[0])).all()


def test_quality_is_of_tokens_that_it_did_not_learn_from(trained, tmp_path):
    _, _, tokens, _, _, _ = trained
    learnt, held = tokens.parted(4)
    assert len(learnt) + len(held) == len(tokens) and not set(learnt.owner) & set(held.owner)
    assert set(held.owner) == {3, 7, 11}
    *_, last = autoencoder.train(
        learnt, LAYER, "x", tmp_path, features=64, k=8, steps=60, rate=3e-3, held=held
    )
    assert (last.explained, last.dead) == autoencoder.quality(last.sae, held)
    assert last.explained != autoencoder.quality(last.sae, learnt)[0]


def test_the_null_varies_as_the_activations_do():
    generator = torch.Generator().manual_seed(5)
    scales = torch.tensor([30.0, 10.0, *[0.5] * 30])
    rows = torch.randn(4_000, 32, generator=generator) * scales
    root = features.covariance_root(rows)
    assert torch.allclose(root @ root, torch.cov(rows.T), rtol=1e-3, atol=1e-2)
    wanted = torch.nn.functional.normalize(torch.tensor([3.0, 1.0, *[0.05] * 30]), dim=0)
    dictionary = torch.randn(64, 32, generator=generator)
    plain, varying = (
        features.pursue(wanted, dictionary, 3, activations=given).null for given in (None, rows)
    )
    assert varying[0][1] > plain[0][1] + 0.2, "a direction where activations vary is found by chance"
    assert features.RANDOM >= 50


def test_a_prompts_features_begin_at_its_words_and_contexts_have_no_template(trained, embedded):
    model, anatomy, _, _, _, last = trained
    tokenizer = embedded.tokenizer
    lead = tuple(tokenizer("<|im_start|>user\n", add_special_tokens=False)["input_ids"])
    assert encode.before_prompt(embedded) >= len(lead)
    texts = [
        [*lead, *tokenizer(f"Hello number {n}<|im_end|> yes", add_special_tokens=False)["input_ids"]]
        for n in range(9)
    ]
    small = [[token % 96 for token in text] for text in texts]
    tokens = collect(model, anatomy, small, LAYER)
    shown = Tokens(tokens.activations, tuple(map(tuple, texts)), tokens.owner, tokens.place)
    busy = last.sae.encode(tokens.activations).sum(0).topk(8).indices.tolist()
    for firing in features.top_tokens(last.sae, shown, embedded, busy, lead=lead):
        for example in firing["examples"]:
            others = [piece for at, piece in enumerate(example["pieces"]) if at != example["at"]]
            assert not any("<|" in piece for piece in others)
    rows = features.of_prompt(last.sae, model, anatomy, embedded, RUNS[2], LAYER, most=3, first=4)
    assert len(rows) == len(RUNS[2]) - 4


def test_one_feature_is_removed_and_nothing_else(trained):
    model, anatomy, _tokens, _, _, last = trained
    model = model.__class__(model.config)
    model.load_state_dict({name: value.float() for name, value in trained[0].state_dict().items()})
    model.eval()
    before = weights(model)
    stream = streams_at(model, anatomy, [RUNS[4]], LAYER)[0]
    acts = last.sae.encode(stream).detach()
    feature = int(acts[-1].argmax())
    made = features.steered(model, anatomy, last.sae, LAYER, feature)
    seen = []
    made.get_submodule(anatomy.blocks[LAYER]).register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0][0])
    )
    logits(made, RUNS[4])
    without = acts.clone()
    without[:, feature] = 0
    expected = stream + last.sae.decode(without) - last.sae.decode(acts)
    assert torch.allclose(seen[0], expected, atol=1e-4) and not torch.allclose(seen[0], stream, atol=1e-2)
    silent = int(acts.sum(0).argmin())
    assert float(acts[:, silent].sum()) == 0
    assert torch.allclose(
        logits(features.steered(model, anatomy, last.sae, LAYER, silent), RUNS[4]),
        logits(model, RUNS[4]),
        atol=1e-4,
    )
    assert not torch.allclose(
        logits(features.steered(model, anatomy, last.sae, LAYER, silent, 5.0), RUNS[4]),
        logits(model, RUNS[4]),
        atol=1e-2,
    )
    with pytest.raises(VisitorError):
        features.steered(model, anatomy, last.sae, LAYER, 64)
    after = weights(model)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_top_tokens_and_a_prompts_features(trained, embedded):
    model, anatomy, tokens, _, _, last = trained
    acts = last.sae.encode(tokens.activations)
    feature = int(acts.max(0).values.argmax())
    (found,) = features.top_tokens(last.sae, tokens, embedded, [feature], most=3)
    first = found["examples"][0]
    assert first["activation"] == pytest.approx(float(acts[:, feature].max()), rel=1e-3)
    place = int(acts[:, feature].argmax())
    token = tokens.texts[tokens.owner[place]][tokens.place[place]]
    assert first["pieces"][first["at"]] == embedded.tokenizer.decode([token])
    assert found["density"] == pytest.approx(float((acts[:, feature] > 0).float().mean()), abs=1e-4)
    rows = features.of_prompt(last.sae, model, anatomy, embedded, RUNS[2], LAYER, most=3)
    assert len(rows) == len(RUNS[2]) and all(len(row["features"]) <= 3 for row in rows)
