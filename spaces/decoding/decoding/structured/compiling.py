"""From a visitor's constraint to what llguidance reads. It imports nothing of this suite: the process that
tries a constraint starts with it.
"""

from __future__ import annotations

from typing import Any

LIMITS: dict[str, Any] = {
    "initial_lexer_fuel": 500_000,
    "max_lexer_states": 50_000,
    "max_grammar_size": 100_000,
    "verbose_errors": False,
}
"""llguidance's own limits, where they are lower than its defaults: what one constraint may take at one step,
two seconds and 90 MB at most.
"""


def grammar_of(kind: str, text: str) -> str:
    """A constraint as llguidance's grammar.

    Args:
        kind: json_schema, regex or lark.
        text: in that language.

    Raises:
        ValueError: the schema is no JSON.
    """
    from llguidance import LLMatcher

    made: dict[str, Any] = {
        "json_schema": LLMatcher.grammar_from_json_schema,
        "regex": LLMatcher.grammar_from_regex,
        "lark": LLMatcher.grammar_from_lark,
    }
    return str(made[kind](text))


def matcher_of(tokenizer: Any, grammar: str) -> Any:
    """A reader of texts that begins at the grammar's start; `get_error()` says why it cannot be used.

    Args:
        tokenizer: an `LLTokenizer`.
        grammar: see `grammar_of`.
    """
    from llguidance import LLMatcher, LLParserLimits

    return LLMatcher(tokenizer, grammar, log_level=0, limits=LLParserLimits(**LIMITS))


def has_no_text(matcher: Any) -> bool:
    """Whether the reader stopped because nothing can follow."""
    return str(matcher.stop_reason()).startswith("NoExtension") or "NoExtension" in matcher.get_error()
