"""llama.cpp's own functions by ctypes, from the shared object inside xllamacpp: a text's tokens, and the
logits after each token.

Only the process of `quantization.llama_cpp` uses it. Settings are passed through as llama.cpp's defaults give
them, without knowing what stands where in them: a structure by value is larger here than there, which the
calling conventions of x86-64 and arm64 allow.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class _Opaque(ctypes.Structure):
    """Settings, or a batch, of whatever layout."""

    _fields_ = [("room", ctypes.c_uint64 * 256)]


_POINTER, _INT, _BOOL, _TEXT = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_char_p

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "llama_backend_init": (None, []),
    "llama_model_default_params": (_Opaque, []),
    "llama_model_load_from_file": (_POINTER, [_TEXT, _Opaque]),
    "llama_model_get_vocab": (_POINTER, [_POINTER]),
    "llama_context_default_params": (_Opaque, []),
    "llama_init_from_model": (_POINTER, [_POINTER, _Opaque]),
    "llama_vocab_n_tokens": (_INT, [_POINTER]),
    "llama_tokenize": (_INT, [_POINTER, _TEXT, _INT, _POINTER, _INT, _BOOL, _BOOL]),
    "llama_batch_get_one": (_Opaque, [_POINTER, _INT]),
    "llama_decode": (_INT, [_POINTER, _Opaque]),
    "llama_get_logits": (ctypes.POINTER(ctypes.c_float), [_POINTER]),
}


class Reader:
    """A GGUF file as llama.cpp reads it; contexts of 512 tokens.

    Raises:
        RuntimeError: llama.cpp cannot load the file.
    """

    def __init__(self, path: str) -> None:
        files = importlib.metadata.files("xllamacpp") or []
        library = ctypes.CDLL(str(next(file.locate() for file in files if str(file).endswith(".so"))))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        library.llama_backend_init()
        self._library = library
        self._model = library.llama_model_load_from_file(path.encode(), library.llama_model_default_params())
        if not self._model:
            raise RuntimeError("the file does not load")
        self._vocabulary = library.llama_model_get_vocab(self._model)

    def tokens(self, text: str) -> list[int]:
        """A text's tokens, with what the file says stands around it; special tokens in it are read."""
        data = text.encode()
        room = (_INT * (len(data) + 16))()
        count = self._library.llama_tokenize(self._vocabulary, data, len(data), room, len(room), True, True)
        return list(room[:count])

    def logits(self, tokens: Sequence[int]) -> npt.NDArray[np.float32]:
        """Logits after each of at most 512 tokens (tokens, vocabulary), read one by one.

        Raises:
            RuntimeError: llama.cpp could not compute them.
        """
        library = self._library
        context = library.llama_init_from_model(self._model, library.llama_context_default_params())
        width, rows = library.llama_vocab_n_tokens(self._vocabulary), []
        for token in tokens:
            one = (_INT * 1)(token)
            if library.llama_decode(context, library.llama_batch_get_one(ctypes.addressof(one), 1)):
                raise RuntimeError("the tokens cannot be read")
            rows.append(np.ctypeslib.as_array(library.llama_get_logits(context), (width,)).copy())
        return np.stack(rows)
