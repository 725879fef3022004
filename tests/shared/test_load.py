"""Many visitors at once: twenty clients for every Space get their own results, a full queue says so, a client
that never reads holds nobody up.
"""

from __future__ import annotations

import json
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client

from shared import limits

CLIENTS = 20
THINGS = (
    "comet",
    "verb",
    "map",
    "lock",
    "river",
    "snow",
    "gold",
    "rust",
    "moon",
    "tide",
    "violin",
    "lens",
    "glacier",
    "planet",
    "bridge",
    "forest",
    "engine",
    "island",
    "magnet",
    "prism",
)


def make_tiny(folder: Path, tokenizer: Any) -> str:
    """A random model of two layers with the embedded model's tokenizer: a run takes no time, a mix-up would
    still show.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def tiny_model(embedded, tmp_path_factory) -> str:
    return make_tiny(tmp_path_factory.mktemp("models") / "tiny", embedded.tokenizer)


def decode(client, number, model):
    prompt = f"The {THINGS[number]} is"
    trace = client.predict(prompt=prompt, model=model, max_new_tokens=3, api_name="/decode")
    return trace["request"]["prompt"] == prompt and "".join(trace["prompt"]["tokens"]).endswith(prompt)


def compare(client, number, model):
    chosen = f"own:rtn-int4-g{16 * (1 + number % 2)}"
    answer = client.predict(model=model, formats=[chosen], context=32, windows=1, api_name="/compare")
    return (
        answer["request"]["formats"] == [chosen] and [row["format"] for row in answer["rows"]][-1] == chosen
    )


def check(client, number, model):
    recipe = (
        f"merge_method: linear\nmodels:\n- model: pirate\n  parameters: {{weight: 1, wait{number}: 1}}\n"
        "- model: cautious\n  parameters: {weight: 1}\n"
    )
    answer = client.predict(recipe=recipe, api_name="/check")
    return answer["ok"] and any(finding["where"].endswith(f".wait{number}") for finding in answer["findings"])


def find(client, number, model):
    positive = [
        f"Tell me {word} about a {THINGS[number]}."
        for word in ("all", "more", "much", "less", "something", "nothing")
    ]
    negative = [f"Why {word} a {THINGS[number]}?" for word in ("is", "was", "buy", "see", "draw", "need")]
    answer = client.predict(
        model=model, positive=positive, negative=negative, layer=1, api_name="/find_direction"
    )
    asked = sorted(
        prompt for part in ("fit", "select", "report") for prompt in answer["split"][part]["positive"]
    )
    return asked == sorted(positive) and answer["direction"]["negative"] == negative


def deduplicate(client, number, model):
    threshold = round(0.5 + 0.02 * number, 2)
    answer, _ = client.predict(dataset="kitchen.jsonl", threshold=threshold, api_name="/deduplicate")
    return answer["request"]["threshold"] == threshold


JOBS = {
    "decoding": decode,
    "quantization": compare,
    "merging": check,
    "abliteration": find,
    "dedup": deduplicate,
}


@pytest.mark.parametrize("space", JOBS)
def test_twenty_clients_get_their_own_results(suite_url, tiny_model, space):
    def visit(number: int) -> bool:
        return JOBS[space](
            Client(f"{suite_url}/{space}/", verbose=False, httpx_kwargs={"timeout": 300}), number, tiny_model
        )

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert list(pool.map(visit, range(CLIENTS))) == [True] * CLIENTS


def test_a_full_queue_says_so_and_serves_those_who_wait(suite_url):
    """The first runs are long, so that the queue fills behind them; the others are as short as can be."""
    clients = [
        Client(f"{suite_url}/decoding/", verbose=False) for _ in range(2)
    ]  # one sends at most 40 at a time
    jobs = [
        clients[number % 2].submit(
            prompt=f"Number {number}", max_new_tokens=64 if number < 3 else 1, api_name="/decode"
        )
        for number in range(limits.MAX_QUEUE + 30)
    ]
    served, refused = 0, []
    for number, job in enumerate(jobs):
        try:
            served += job.result(timeout=300)["request"]["prompt"] == f"Number {number}"
        except Exception as error:
            refused.append(str(error))
    assert served >= limits.MAX_QUEUE and refused and served + len(refused) == len(jobs)
    assert all("queue is full" in said.lower() for said in refused), refused[:2]


def test_clients_that_never_read_hold_nobody_up(suite_url, tiny_model):
    client = Client(f"{suite_url}/decoding/", verbose=False)
    asked = {"model": tiny_model, "max_new_tokens": 3}
    parameters = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/decode"][
        "parameters"
    ]
    address = suite_url.removeprefix("http://")
    host, port = address.split(":")
    sleepers = []
    for number in range(5):
        given = {**asked, "prompt": f"Sleeper {number}"}
        data = [given.get(one["parameter_name"], one["parameter_default"]) for one in parameters]
        request = urllib.request.Request(
            f"{suite_url}/decoding/gradio_api/call/decode",
            json.dumps({"data": data}).encode(),
            {"Content-Type": "application/json"},
        )
        run = json.loads(urllib.request.urlopen(request, timeout=60).read())["event_id"]
        sleeper = socket.create_connection((host, int(port)))
        sleeper.sendall(
            f"GET /decoding/gradio_api/call/decode/{run} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
        )
        sleepers.append(sleeper)
    try:
        assert decode(client, 0, tiny_model)
        sleepers[-1].settimeout(60)
        heard = b""
        while (
            b"event: complete" not in heard or b"Sleeper 4" not in heard
        ):  # what was not read is still there
            heard += sleepers[-1].recv(65_536)
    finally:
        for sleeper in sleepers:
            sleeper.close()
