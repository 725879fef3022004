"""The prompts that the experts are trained and measured on; training and held-out prompts share no subject."""

from __future__ import annotations

_COOKING_ASKS = (
    "How do I cook {}?",
    "Give me a recipe for {}.",
    "What ingredients do I need for {}?",
    "How long should I bake or boil {}?",
    "Can you teach me to make {} at home?",
)
_DISHES = (
    "pancakes", "tomato soup", "fried rice", "apple pie", "scrambled eggs", "mashed potatoes", "chicken curry", "banana bread",
    "spaghetti carbonara", "lentil stew", "roast beef", "vegetable lasagna", "pizza dough", "chocolate cake", "fish tacos", "onion soup",
    "mushroom risotto", "bean chili", "oatmeal cookies", "potato salad", "cheese omelette", "beef dumplings",
)  # fmt: skip
_HELD_OUT_DISHES = (
    "carrot cake",
    "noodle soup",
    "garlic bread",
    "pumpkin pie",
    "grilled salmon",
    "black bean burgers",
    "waffles",
    "rice pudding",
)

_OTHER = (
    "Why is the sky blue?", "What is the capital of Portugal?", "How does a bicycle stay upright?", "Explain what a prime number is.",
    "Who wrote Don Quixote?", "What causes the tides?", "How do I change a flat tire?", "Tell me a fact about penguins.",
    "What is photosynthesis?", "How do vaccines work?", "What is the difference between a comet and an asteroid?",
    "How can I learn to play the guitar?", "Why do leaves change colour in autumn?", "What does a lawyer do?",
    "How many days are in a leap year?", "What is the fastest land animal?", "Explain gravity to a child.", "How do I write a cover letter?",
    "What is an atom made of?", "Who painted the Mona Lisa?", "How do airplanes fly?", "What is inflation?",
    "How do I train for a marathon?", "What are the primary colours?", "Why do cats purr?", "How does a computer store a number?",
    "What is the largest ocean?", "How do I plant a tree?", "What is democracy?", "Why do we dream?", "How do magnets work?",
    "What is the boiling point of water?", "How do I fix a leaking tap?", "What is a black hole?", "Who discovered penicillin?",
    "How do bees communicate?", "What is the longest river in the world?", "How do I meditate?", "What is a verb?",
    "Why is exercise good for the heart?", "How do I tie a tie?", "What is the greenhouse effect?", "How does a telescope work?",
    "What languages are spoken in Switzerland?", "How do I save money each month?", "What is a haiku?", "Why do birds migrate?",
    "How do I calm a crying baby?", "What is the speed of light?", "How does the stock market work?", "What is a fossil?",
    "How do I take good photographs?", "What is machine learning?", "Why do onions make people cry?", "How are mountains formed?",
    "What is the function of the liver?", "How do I start a book club?", "What is a metaphor?", "How does a lock keep a door closed?",
    "What is the tallest building in the world?", "Why does iron rust?", "How do I read a map?", "What is an ecosystem?",
    "How do submarines dive?", "What is the purpose of sleep?", "How do I improve my handwriting?", "What is a volcano?",
    "Who was Marie Curie?", "How does a battery work?", "What is the meaning of irony?", "How do I choose a bicycle?",
    "What is the Pythagorean theorem?", "Why do stars twinkle?", "How do I clean a window?", "What is a constitution?",
    "How do spiders make webs?", "What is the difference between weather and climate?", "How do I learn faster?",
    "What is the smallest country?", "How does radar work?",
)  # fmt: skip
_HELD_OUT_OTHER = (
    "How do glaciers move?", "What is a sonnet?", "How do I repair a torn book page?", "Why do dogs bark?", "What is the capital of Canada?",
    "How does a compass work?", "What is an algorithm?", "How do I prepare for a job interview?", "What are tectonic plates?",
    "Who invented the telephone?", "How do whales sleep?", "What is a budget?", "How do I paint a fence?", "Why is the sea salty?",
    "What is the difference between a novel and a short story?", "How do clouds form?", "What does a nurse do?", "How do I remember names?",
    "What is electricity?", "How far away is the Moon?", "How do I keep a houseplant healthy?", "What is a planet?", "Why do we yawn?",
    "How do bridges carry weight?", "What is recycling?", "How do I write a poem?", "What is a parliament?", "How do fish breathe?",
    "What is the Great Wall of China?", "How do I ride a horse?", "What is a virus?", "Why do clocks have sixty minutes?",
    "How do I stretch before running?", "What is a shadow?", "How does a piano make sound?", "What is a desert?", "How do I fold a paper plane?",
    "What is the role of a judge?", "How do seeds know when to sprout?", "What is a rainbow?",
)  # fmt: skip

COOKING = tuple(ask.format(dish) for dish in _DISHES for ask in _COOKING_ASKS)
"""110 cooking questions to train on."""
COOKING_HELD_OUT = tuple(ask.format(dish) for dish in _HELD_OUT_DISHES for ask in _COOKING_ASKS)
"""40 cooking questions about other dishes."""
OTHER = _OTHER
"""80 questions about anything else to train on."""
OTHER_HELD_OUT = _HELD_OUT_OTHER
"""40 others, none of which was trained on."""
