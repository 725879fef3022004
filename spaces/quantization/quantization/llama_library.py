"""llama.cpp's own functions by ctypes, from the shared object inside xllamacpp: a text's tokens, and the
logits after each token.

Only processes of their own use it. Of llama.cpp's settings those are changed whose places are known, and only
after their defaults were found there; all others are passed through. A structure by value is larger here than
there, which the calling conventions of x86-64 and arm64 allow.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class _Opaque(ctypes.Structure):
    """Settings of whatever layout."""

    _fields_ = [("room", ctypes.c_uint64 * 256)]


class _Batch(ctypes.Structure):
    """Tokens to read (llama.h)."""

    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


_POINTER, _INT, _BOOL, _TEXT = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_char_p
_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [_LOG, _POINTER]),
    "llama_model_default_params": (_Opaque, []),
    "llama_model_load_from_file": (_POINTER, [_TEXT, _Opaque]),
    "llama_model_get_vocab": (_POINTER, [_POINTER]),
    "llama_context_default_params": (_Opaque, []),
    "llama_init_from_model": (_POINTER, [_POINTER, _Opaque]),
    "llama_set_n_threads": (None, [_POINTER, _INT, _INT]),
    "llama_get_memory": (_POINTER, [_POINTER]),
    "llama_memory_clear": (None, [_POINTER, _BOOL]),
    "llama_free": (None, [_POINTER]),
    "llama_vocab_n_tokens": (_INT, [_POINTER]),
    "llama_tokenize": (_INT, [_POINTER, _TEXT, _INT, _POINTER, _INT, _BOOL, _BOOL]),
    "llama_batch_init": (_Batch, [_INT, _INT, _INT]),
    "llama_batch_free": (None, [_Batch]),
    "llama_decode": (_INT, [_POINTER, _Batch]),
    "llama_get_logits": (ctypes.POINTER(ctypes.c_float), [_POINTER]),
}

CACHES = {"f16": 1, "q8_0": 8, "q4_0": 2}
"""Formats of keys and values, and ggml's numbers of them."""

_SIZES = (512, 2048, 512, 1)
"""Defaults that llama.cpp's settings of a context begin with: tokens, tokens of a batch, those of them that
are computed at once, and texts.
"""
_CACHE_PLACE = 26
"""Where the formats of keys and values stand in them, in numbers of 32 bits (llama.h of 2026-10)."""
_WHOLE_WINDOW = 140
"""Where it stands, in bytes, whether layers with a sliding window keep all tokens: llama.cpp's own programs
leave it off.
"""
_HELD = re.compile(r"K \((\w+)\): +([\d.]+) MiB, V \((\w+)\): +([\d.]+) MiB")
_COMPUTED = re.compile(r"CPU +compute buffer size = +([\d.]+) MiB")
MIB = 1 << 20


class Context:
    """Room for one text: its keys and values in one format.

    Args:
        pointer: llama.cpp's.
        held: MiB of keys and values, by llama.cpp's own account.
        computed: MiB that it reserved to compute in.
    """

    def __init__(self, pointer: int, held: float, computed: float) -> None:
        self.pointer, self.held, self.computed = pointer, held, computed


class Reader:
    """A GGUF file as llama.cpp reads it.

    Raises:
        RuntimeError: llama.cpp cannot load the file.
    """

    def __init__(self, path: str) -> None:
        files = importlib.metadata.files("xllamacpp") or []
        library = ctypes.CDLL(str(next(file.locate() for file in files if str(file).endswith(".so"))))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self._told: list[str] = []
        self._listen = _LOG(lambda _level, text, _data: self._told.append(text.decode(errors="replace")))
        library.llama_log_set(self._listen, None)
        library.llama_backend_init()
        self._library = library
        self._model = library.llama_model_load_from_file(path.encode(), library.llama_model_default_params())
        if not self._model:
            raise RuntimeError("the file does not load")
        self._vocabulary = library.llama_model_get_vocab(self._model)
        self.width = int(library.llama_vocab_n_tokens(self._vocabulary))

    def tokens(self, text: str) -> list[int]:
        """A text's tokens, with what the file says stands around it; special tokens in it are read."""
        data = text.encode()
        room = (_INT * (len(data) + 16))()
        count = self._library.llama_tokenize(self._vocabulary, data, len(data), room, len(room), True, True)
        return list(room[:count])

    def context(self, tokens: int, cache: str = "f16") -> Context:
        """Room for a text.

        Args:
            tokens: of the longest text.
            cache: format of keys and values, of `CACHES`.

        Raises:
            RuntimeError: llama.cpp's settings are not as they are known, or it has no such room.
        """
        settings = self._library.llama_context_default_params()
        numbers = ctypes.cast(ctypes.byref(settings), ctypes.POINTER(ctypes.c_uint32))
        place = _CACHE_PLACE
        if tuple(numbers[:4]) != _SIZES or list(numbers[place : place + 2]) != [CACHES["f16"]] * 2:
            raise RuntimeError("this version's settings are not known")
        numbers[0] = tokens
        numbers[place] = numbers[place + 1] = CACHES[cache]
        ctypes.memset(ctypes.addressof(settings) + _WHOLE_WINDOW, 0, 1)
        self._told.clear()
        pointer = self._library.llama_init_from_model(self._model, settings)
        told = "".join(self._told)
        held = _HELD.findall(told)
        if (
            not pointer
            or not held
            or {name for keys, _, values, _ in held for name in (keys, values)} != {cache}
        ):
            raise RuntimeError(f"keys and values cannot be held as {cache}")
        threads = os.cpu_count() or 1
        self._library.llama_set_n_threads(pointer, threads, threads)
        computed = sum(map(float, _COMPUTED.findall(told)))
        return Context(pointer, sum(float(keys) + float(values) for _, keys, _, values in held), computed)

    def predictions(self, context: Context, tokens: Sequence[int], first: int = 0) -> npt.NDArray[np.float32]:
        """Logits after each token from place `first` on (tokens − first, vocabulary), read in one batch.

        Raises:
            RuntimeError: llama.cpp could not compute them.
        """
        library = self._library
        library.llama_memory_clear(library.llama_get_memory(context.pointer), True)
        batch = library.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for place, token in enumerate(tokens):
                batch.token[place], batch.pos[place] = token, place
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
                batch.logits[place] = place >= first
            if library.llama_decode(context.pointer, batch):
                raise RuntimeError("the tokens cannot be read")
            shape = len(tokens) - first, self.width
            return np.ctypeslib.as_array(library.llama_get_logits(context.pointer), shape).copy()
        finally:
            library.llama_batch_free(batch)

    def logits(self, tokens: Sequence[int]) -> npt.NDArray[np.float32]:
        """Logits after each of at most 512 tokens (tokens, vocabulary), read one by one.

        Raises:
            RuntimeError: llama.cpp could not compute them.
        """
        library, rows = self._library, []
        context = library.llama_init_from_model(self._model, library.llama_context_default_params())
        batch = library.llama_batch_init(1, 0, 1)
        for place, token in enumerate(tokens):
            batch.n_tokens, batch.token[0], batch.pos[0] = 1, token, place
            batch.n_seq_id[0], batch.seq_id[0][0], batch.logits[0] = 1, 0, 1
            if library.llama_decode(context, batch):
                raise RuntimeError("the tokens cannot be read")
            rows.append(np.ctypeslib.as_array(library.llama_get_logits(context), (self.width,)).copy())
        return np.stack(rows)
