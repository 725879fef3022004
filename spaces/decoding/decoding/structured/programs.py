"""The lines of a program with which `generate` obeys a run's constraint."""

from __future__ import annotations

from decoding.request import Request

_PROCESSOR = '''
# which tokens may come next: llguidance, without its own limits on large constraints
end = model.generation_config.eos_token_id
size = max(model.config.get_text_config().vocab_size, len(tokenizer))
reader = llguidance.hf.from_tokenizer(
    tokenizer, n_vocab=size, eos_token=end if isinstance(end, list) else [end]
)


class Constraint:
    """Removes the tokens after which no text could fulfil the constraint."""

    def __init__(self, start):
        self.start = start

    def __call__(self, ids, scores):
        for row, text in enumerate(ids[:, self.start :].tolist()):
            matcher = LLMatcher(reader, grammar)
            if not text or matcher.consume_tokens(text):  # a row that has ended is left alone
                bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
                allowed = np.unpackbits(bits, bitorder="little")[: scores.shape[1]]
                scores[row, torch.from_numpy(allowed == 0)] = -torch.inf
        return scores


constraint = Constraint(inputs["input_ids"].shape[1])'''

ARGUMENT = "logits_processor=[constraint]"
"""How `generate` is told; transformers puts it behind the penalties and before the sampling filters."""


def import_lines() -> list[str]:
    """What the processor needs."""
    return ["import llguidance.hf", "import numpy as np", "from llguidance import LLMatcher", ""]


def constraint_lines(request: Request) -> list[str]:
    """The lines that make `constraint`; they follow those that make `inputs`."""
    made = f"LLMatcher.grammar_from_{request.constraint}"
    return [f"grammar = {made}({request.constraint_text!r})", *_PROCESSOR.splitlines()[1:], ""]
