"""The items that lm-eval was asked, see `make_lm_eval.py`; its answers are in lm_eval.json."""

from __future__ import annotations

from shared.items import Item

TASK = "odd"
ITEMS = (
    Item("1", TASK, "The sea is", ("wet", "dry sand and stones", "made of old books"), 0),
    Item("2", TASK, "The sea is ", ("wet", "dry"), 1),  # a blank at its end moves to the choice
    Item("3", TASK, "Question: who sails?\nAnswer:", ("sailors", "the sailors of the sea"), 0),
    Item("4", TASK, "", ("Once upon a time", "Twice"), 1),
    Item("5", TASK, "One, two, three,\n\n", ("four", "green", "a"), 0),
    Item("6", TASK, "Grüße aus Köln — 東京は", ("日本", "海の中", "ü"), 0),
    Item("7", TASK, "a b c d e f g h i j k l", ("m", "m n", "m n o"), 2),
    Item("8", TASK, "def add(a, b):\n    return", ("a + b", "a - b"), 0),
    Item("9", TASK, "Tab\tand  two blanks", ("\tand", "  and more"), 0, delimiter=""),
    Item("10", TASK, "Line", ("next", "other lines"), 1, delimiter="\n"),
)
CHAT = tuple(item for item in ITEMS if item.prompt.strip() and item.id != "9")
"""Those that a chat template is filled with; behind one a choice must not begin with blanks that the template
may have written itself.
"""
