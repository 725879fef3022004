"""The code that reproduces a figure."""

from __future__ import annotations

import json

from abliteration.request import Request


def client_program(request: Request, address: str) -> str:
    """The Python that makes the same edit over the API of a running demo, and says how much is still refused.

    Args:
        request: of the figure.
        address: of the demo.
    """
    direction = {name: value for name, value in request.direction().items() if value not in (None, [])}
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
print(answer["measures"]["behaviour"]["positive"]["edited"]["refused"])
"""
