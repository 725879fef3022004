"""What all Spaces share.

Imported first, it settles two things for libraries that read them at their own import. The Hub's client sends
a token where it is given one (`hub.token_for`), and never this machine's of its own accord: a visitor might
be asking. And transformers loads no kernels, which are code, from the Hub.
"""

import os
import sys

os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"  # noqa: S105  a switch
os.environ["USE_HUB_KERNELS"] = "0"
if constants := sys.modules.get("huggingface_hub.constants"):  # Gradio was imported before
    constants.HF_HUB_DISABLE_IMPLICIT_TOKEN = True  # type: ignore[attr-defined]
