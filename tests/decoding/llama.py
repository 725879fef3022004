"""llama.cpp's own samplers, called through ctypes in the shared object that xllamacpp brings."""

from __future__ import annotations

import ctypes as c
import functools
import importlib.metadata
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from decoding.llama_cpp.parameters import Settings


class _Entry(c.Structure):
    _fields_ = [("id", c.c_int32), ("logit", c.c_float), ("p", c.c_float)]


class _Array(c.Structure):
    _fields_ = [
        ("data", c.POINTER(_Entry)),
        ("size", c.c_size_t),
        ("selected", c.c_int64),
        ("sorted", c.c_bool),
    ]


class _Vector(c.Structure):
    """A std::vector: its first element, the one after the last, and the end of what it owns."""

    _fields_ = [("first", c.c_void_p), ("last", c.c_void_p), ("end", c.c_void_p)]


SEED = 1234


@functools.cache
def library() -> c.CDLL:
    """The shared object."""
    files = importlib.metadata.files("xllamacpp") or []
    made = c.CDLL(str(next(file.locate() for file in files if str(file).endswith(".so"))))
    pointer, number, whole, size = c.c_void_p, c.c_float, c.c_int32, c.c_size_t
    arguments = {
        "llama_sampler_init_penalties": [whole, whole, number, number, number],
        "llama_sampler_init_top_n_sigma": [number],
        "llama_sampler_init_top_k": [whole],
        "llama_sampler_init_typical": [number, size],
        "llama_sampler_init_top_p": [number, size],
        "llama_sampler_init_min_p": [number, size],
        "llama_sampler_init_xtc": [number, number, size, c.c_uint32],
        "llama_sampler_init_temp_ext": [number, number, number],
        "llama_sampler_init_temp": [number],
        "llama_sampler_init_mirostat": [whole, c.c_uint32, number, number, whole],
        "llama_sampler_init_mirostat_v2": [c.c_uint32, number, number],
        "llama_sampler_init_adaptive_p": [number, number, c.c_uint32],
        "llama_sampler_init_dist": [c.c_uint32],
    }
    for name, types in arguments.items():
        function = getattr(made, name)
        function.argtypes, function.restype = types, pointer
    made.llama_sampler_apply.argtypes = [pointer, c.POINTER(_Array)]
    made.llama_sampler_accept.argtypes = [pointer, whole]
    made.llama_sampler_free.argtypes = [pointer]
    made.llama_sampler_apply.restype = made.llama_sampler_accept.restype = None
    made.llama_sampler_free.restype = None
    return made


@functools.cache
def _dry() -> c._CFuncPtr:
    name = "_Z30llama_sampler_init_dry_testingffiiRKSt6vectorIS_IiSaIiEESaIS1_EE"
    function = getattr(library(), name)
    function.argtypes = [c.c_float, c.c_float, c.c_int32, c.c_int32, c.POINTER(_Vector)]
    function.restype = c.c_void_p
    return function


def _vector(rows: Sequence[Sequence[int]]) -> tuple[_Vector, list[object]]:
    """A vector of vectors of int32, and what it points to, which must outlive it."""
    arrays = [(c.c_int32 * max(1, len(row)))(*row) for row in rows]
    inner = (_Vector * max(1, len(rows)))()
    for at, (row, array) in enumerate(zip(rows, arrays, strict=True)):
        start = c.addressof(array)
        inner[at] = _Vector(start, start + 4 * len(row), start + 4 * len(row))
    start = c.addressof(inner)
    stop = start + c.sizeof(_Vector) * len(rows)
    return _Vector(start, stop, stop), [*arrays, inner]


@dataclass(frozen=True)
class Left:
    """What a chain leaves: token ids in llama.cpp's order, their logits, and the one that it drew."""

    ids: np.ndarray
    logits: np.ndarray
    drawn: int | None

    def probabilities(self, size: int) -> torch.Tensor:
        """[size] softmax of what is left, float64."""
        full = torch.full((size,), -math.inf, dtype=torch.float64)
        full[torch.from_numpy(self.ids.astype(np.int64))] = torch.from_numpy(self.logits.astype(np.float64))
        return torch.softmax(full, dim=-1)


class Chain:
    """A chain as `common_sampler_init` makes it, without the last sampler where that only draws."""

    def __init__(self, settings: Settings, size: int, breakers: Sequence[Sequence[int]] = ()) -> None:
        self.settings, self.size, self.breakers = settings, size, breakers
        names = list(settings.samplers) if not settings.mirostat else ["temperature", "mirostat"]
        if "adaptive_p" in names:
            names = [name for name in names if name != "adaptive_p"] + ["adaptive_p"]
        # what llama.cpp's own tests make DRY with does not expect it to be switched off
        names = [name for name in names if name != "dry" or settings.is_on("dry")]
        self.samplers = [self._sampler(name) for name in names]

    def _sampler(self, name: str) -> int:
        of, made, keep = self.settings, library(), self.settings.min_keep
        if name == "penalties":
            return made.llama_sampler_init_penalties(
                self.size, of.repeat_last_n, of.repeat_penalty, of.frequency_penalty, of.presence_penalty
            )
        if name == "dry":
            vector, self._alive = _vector(self.breakers)
            return _dry()(
                of.dry_multiplier, of.dry_base, of.dry_allowed_length, of.dry_penalty_last_n, c.byref(vector)
            )
        if name == "mirostat" and of.mirostat == 1:
            return made.llama_sampler_init_mirostat(self.size, SEED, of.mirostat_tau, of.mirostat_eta, 100)
        if name == "temperature" and of.mirostat:
            return made.llama_sampler_init_temp(of.temperature)
        arguments = {
            "top_n_sigma": ("top_n_sigma", of.top_n_sigma),
            "top_k": ("top_k", of.top_k),
            "typ_p": ("typical", of.typical_p, keep),
            "top_p": ("top_p", of.top_p, keep),
            "min_p": ("min_p", of.min_p, keep),
            "xtc": ("xtc", of.xtc_probability, of.xtc_threshold, keep, SEED),
            "temperature": ("temp_ext", of.temperature, of.dynatemp_range, of.dynatemp_exponent),
            "mirostat": ("mirostat_v2", SEED, of.mirostat_tau, of.mirostat_eta),
            "adaptive_p": ("adaptive_p", of.adaptive_target, of.adaptive_decay, SEED),
        }[name]
        return getattr(made, f"llama_sampler_init_{arguments[0]}")(*arguments[1:])

    def accept(self, token: int) -> None:
        """Tell every sampler of a token of the text."""
        for sampler in self.samplers:
            library().llama_sampler_accept(sampler, token)

    def apply(self, logits: np.ndarray) -> Left:
        """What the chain leaves of logits, [V] float32."""
        entries = (_Entry * len(logits))()
        table = np.frombuffer(entries, dtype=[("id", "i4"), ("logit", "f4"), ("p", "f4")])
        table["id"], table["logit"] = np.arange(len(logits)), logits
        array = _Array(entries, len(logits), -1, False)
        for sampler in self.samplers:
            library().llama_sampler_apply(sampler, c.byref(array))
        left = [(array.data[at].id, array.data[at].logit) for at in range(array.size)]
        drawn = left[array.selected][0] if array.selected >= 0 else None
        return Left(np.array([i for i, _ in left]), np.array([v for _, v in left], "f4"), drawn)

    def close(self) -> None:
        """Give the samplers back."""
        for sampler in self.samplers:
            library().llama_sampler_free(sampler)
        self.samplers = []
