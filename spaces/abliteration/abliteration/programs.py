"""The code that reproduces a figure."""

from __future__ import annotations

import json
from typing import Any

from abliteration.bench_request import BenchRequest
from abliteration.chat_request import ChatRequest
from abliteration.forensics_request import ForensicsRequest
from abliteration.request import Request
from shared.rules import LIKELIER

ASIDE = ("rule", "candidates", "markers", "answer_tokens")
"""Settings of an edit that its endpoints take within the direction alone."""


def client_program(request: Request, address: str) -> str:
    """The Python that makes the same edit over the API of a running demo, and says what is left of the
    behaviour.

    Args:
        request: of the figure.
        address: of the demo.
    """
    direction = _direction(request)
    more = f", prompts={list(request.prompts)!r}" if request.prompts else ""
    return f"""\
from gradio_client import Client

client = Client({json.dumps(address)})
direction = {json.dumps(direction, indent=1, ensure_ascii=False)}
kernel = {json.dumps(request.kernel)}
answer = client.predict(
    direction=direction, method={request.method!r}, strength={request.strength!r}, kernel=kernel{more},
    api_name="/ablate",
)
print({_left(request)})
"""


def chat_program(request: ChatRequest, address: str) -> str:
    """The Python that asks both models the same over the API of a running demo.

    Args:
        request: of the figure.
        address: of the demo.
    """
    direction = _direction(request)
    default, stated = ChatRequest().to_json(), request.to_json()
    more = "".join(
        f"    {name}={stated[name]!r},\n"
        for name in ("second", "reply_tokens", "temperature", "chat_seed")
        if stated[name] != default[name]
    )
    return f"""\
from gradio_client import Client

client = Client({json.dumps(address)})
direction = {json.dumps(direction, indent=1, ensure_ascii=False)}
answer = client.predict(
    direction=direction,
    method={request.method!r},
    strength={request.strength!r},
    kernel={json.dumps(request.kernel)},
    messages={list(request.messages)!r},
{more}    api_name="/chat",
)
for turn in answer["turns"]:
    print(turn["base"]["text"], turn["edited"]["text"], turn["edited"]["kl"], sep="\\n")
"""


def _direction(request: Request) -> dict[str, Any]:
    """What the direction's argument takes along: the direction's own settings, and those that the endpoints
    have no argument for, where they are not the default.
    """
    default, stated = Request().to_json(), request.to_json()
    aside = {name: stated[name] for name in ASIDE if stated[name] != default[name]}
    return {
        name: value for name, value in {**request.direction(), **aside}.items() if value not in (None, [])
    }


def _left(request: Request) -> str:
    """Where an answer of the API says how much of the behaviour is left."""
    kind = request.judged.kind
    if kind == LIKELIER:
        return 'answer["measures"]["contrast"]["positive"]["edited"]'
    name = "refused" if kind == "refuses" else "shows"
    return f'answer["measures"]["behaviour"]["positive"]["edited"]["{name}"]'


def forensics_program(request: ForensicsRequest, address: str) -> str:
    """The Python that compares the same two models over the API of a running demo.

    Args:
        request: of the figure.
        address: of the demo.
    """
    default = ForensicsRequest()
    stated = {
        name: value
        for name, value in request.to_json().items()
        if name in ("base", "edited") or value != getattr(default, name)
    }
    record = stated.pop("record", "")
    given = "".join(f"    {name}={value!r},\n" for name, value in stated.items())
    if record:
        given += '    record=open("edit.json").read(),  # or reproduce.json\n'
    return f"""\
from gradio_client import Client

client = Client({json.dumps(address)})
found = client.predict(
{given}    api_name="/forensics",
)
print(found["verdict"]["words"])
for row in found["rows"]:
    if "taken" in row:
        print(row["name"], row["rank"], row["taken"]["strength"])
"""


def bench_program(request: BenchRequest, address: str) -> str:
    """The Python that runs the same truth bench over the API of a running demo.

    Args:
        request: of the figure.
        address: of the demo.
    """
    default = BenchRequest().to_json()
    stated = {name: value for name, value in request.to_json().items() if value != default[name]}
    given = "".join(f"    {name}={value!r},\n" for name, value in stated.items())
    return f"""\
from gradio_client import Client

client = Client({json.dumps(address)})
found = client.predict(
{given}    api_name="/truth_bench",
)
for plant in found["plants"]:
    print(plant["name"], "topic's share", plant["parts"][plant["layer"]]["topic"])
for row in found["summary"]:
    print(row["method"], row["means"], row["against"])
"""
