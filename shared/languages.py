"""Which language a text is in: by its script, or by its commonest words. Crude on purpose: no model and no
data, and "not told" where a few words do not say it.
"""

from __future__ import annotations

import re

_SCRIPTS = {
    "Japanese": "\u3040-\u30ff",
    "Korean": "\uac00-\ud7af\u1100-\u11ff",
    "Chinese": "\u3400-\u9fff",
    "Russian": "\u0400-\u04ff",
    "Greek": "\u0370-\u03ff",
    "Arabic": "\u0600-\u06ff",
    "Hebrew": "\u0590-\u05ff",
    "Hindi": "\u0900-\u097f",
    "Thai": "\u0e00-\u0e7f",
}
"""Signs that only one of the offered languages has; Chinese comes after Japanese, which uses its signs."""
_WORDS = {
    "English": "a i do no how all more when about his her the of and to in is you that it for was on are "
    "with as be this have from or by not what can your they we which their has will if there an at",
    "German": "der die das und ist nicht ein eine zu den von mit sich auf für im dem es sie wird auch als an "
    "werden aus dass oder kann bei wie einen einer sind",
    "French": "le la les des et est une un dans que qui pour pas sur au avec ce il elle sont vous du plus "
    "par ne en se ou peut cette aux nous",
    "Spanish": "el la los las de y en que es un una por con para del se no su al lo como más puede son este "
    "esta pero o le ha",
    "Italian": "il lo la gli le di che è un una per con non del della sono si in più da come può questo "
    "questa alla nel ma anche dei",
    "Portuguese": "o os de que e da em um uma para com não por mais dos das no na se é ao como são "
    "pode você ou mas",
    "Dutch": "de het een en van is dat niet op te zijn met voor in die aan er ook als bij of je kan wordt "
    "naar door om deze uit",
}
LANGUAGES = (*_WORDS, *_SCRIPTS)
"""What can be told apart."""
LEAST = 3
"""So many of a language's words are needed, and more than of any other."""
_WORD = re.compile(r"[^\W\d_]+")
_SETS = {name: frozenset(words.split()) for name, words in _WORDS.items()}


def language_of(text: str) -> str:
    """The language of a text, one of `LANGUAGES`; "" where it is not told."""
    letters = len(re.findall(r"[^\W\d_]", text))
    for name, signs in _SCRIPTS.items():
        if letters and len(re.findall(f"[{signs}]", text)) * (5 if name == "Japanese" else 2) >= letters:
            return name
    said = [word.lower() for word in _WORD.findall(text)]
    hits = {name: sum(word in words for word in said) for name, words in _SETS.items()}
    best = max(hits, key=hits.__getitem__)
    others = max(count for name, count in hits.items() if name != best)
    return best if hits[best] >= LEAST and hits[best] > others else ""
