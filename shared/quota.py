"""What a signed-in visitor has left of ZeroGPU's quota, where the Space may ask the Hub for it."""

from __future__ import annotations

import os
from datetime import UTC

import gradio as gr

from shared import gpu

SCOPE = "read-billing"
"""What the Hub wants of a visitor's sign-in before it tells their quota; a card grants it in
`hf_oauth_scopes`.
"""

TIMEOUT = 2.0
"""Seconds after which the page does without the number."""


def words(token: str | None) -> str:
    """The quota in one sentence; "" for a visitor who is not signed in, or where the Hub does not tell it.

    Args:
        token: the visitor's own.
    """
    from huggingface_hub import ZeroGpuQuota, constants, get_session
    from huggingface_hub.utils import build_hf_headers

    if not token:
        return ""
    try:
        answer = get_session().get(
            f"{constants.ENDPOINT}/api/spaces/zero-gpu/quota",
            headers=build_hf_headers(token=token),
            timeout=TIMEOUT,
        )
        answer.raise_for_status()
        quota = ZeroGpuQuota(answer.json())
        until = f", until {quota.resets_at.astimezone(UTC):%H:%M} UTC" if quota.resets_at else ""
        left, whole = round(quota.remaining), round(quota.base)
    except Exception:  # noqa: BLE001  a number beside the button is not worth an error
        return ""
    return f"When you opened this page, {left:,} s of your {whole:,} s of ZeroGPU were left{until}."


def show(demo: gr.Blocks) -> None:
    """Put the sentence on a page of a Space that may ask for it."""
    if not (gpu.on_zero_gpu() and SCOPE in os.environ.get("OAUTH_SCOPES", "").split()):
        return
    line = gr.HTML("", elem_classes="quiet", elem_id="quota", padding=False)

    def told(token: gr.OAuthToken | None) -> str:
        return words(token.token if token else None)

    demo.load(told, None, [line], queue=False, api_visibility="private", show_progress="hidden")
