"""Make the example datasets and the stored result of the first again; everything follows from a seed.

`kitchen.jsonl` is a set of short notes, some of which come back changed in the ways that real datasets repeat
themselves; `quiz_train.jsonl` and `quiz_test.jsonl` share questions that they should not.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from dedup.engine import Result, deduplicate
from dedup.examples import FIRST
from dedup.outcome import outcome, to_json
from dedup.read import read_file
from dedup.request import validate

NOTES = """\
Bread dough is ready when it springs back slowly under a finger. If the dent stays, it has risen for too long; if it jumps back at once, give it twenty minutes more.
Salt the water for pasta before it boils and taste it: it should be pleasant, not the sea. A spoonful of that water, full of starch, binds the sauce to the noodles at the end.
An onion takes forty minutes to turn truly brown. Keep the heat low, stir now and then, and add a splash of water whenever the pan looks dry.
Rice wants one and a half times its volume of water when it cooks under a lid. Leave it alone for twelve minutes, then let it stand for ten more before lifting the lid.
A knife that slides off a tomato is dangerous because it makes you push. Draw it over a steel before each meal and over a stone once a month.
Egg whites whip best at room temperature in a bowl without a trace of fat. Add sugar only when they hold soft peaks, one spoon at a time.
Dried beans cook evenly when they have soaked overnight in salted water. Throw the soaking water away and start with fresh, cold water and a bay leaf.
A roast should rest for a third of the time it spent in the oven. Its juices settle, the meat grows tender, and you have time to make the gravy.
Vinegar brings a flat soup back to life. Add a few drops at the end, taste, and stop before you can name the vinegar.
Butter burns at a lower heat than oil, yet a mixture of both burns almost as early as butter alone. Clarify it first if you want to fry with it.
Chocolate seizes when a drop of water falls into it. Whisk in a spoon of hot cream at once and use it as a sauce instead of a coating.
Fresh herbs keep for a week upright in a glass of water in the door of the fridge, a bag loosely over their leaves. Basil alone prefers the warm windowsill.
Stock made from roasted bones tastes darker than stock from raw ones. Simmer it without boiling, or the fat clouds it for good.
Mushrooms give off their water before they brown. Use a wide pan, salt them late, and do not stir until the first hiss has faded.
To peel garlic quickly, crush each clove under the flat of the knife. The skin comes away in one piece and the clove is half chopped already.
A cast iron pan is seasoned by use: heat a thin film of oil in it until it smokes, let it cool, and repeat. Soap does it no harm, soaking does.
Yeast sleeps in the cold and dies in the heat. Water at body temperature wakes it in ten minutes; water that hurts your hand kills it.
Potatoes for mash should be floury and dried over the heat for a minute after draining. Warm the milk first and never use a blender.
Lemon zest holds more flavour than the juice. Grate only the yellow skin, for the white below it is bitter, and do it before you cut the fruit.
Pancake batter improves with half an hour of rest. The flour drinks the milk, the bubbles leave, and the first pancake is no longer the worst.
Toast whole spices in a dry pan until you can smell them from the door. Grind them warm and use them within the month.
Fish is done when its thickest part parts in flakes and a thin blade pushed in for three seconds comes out warm. After that it only dries.
A pinch of sugar softens the sharpness of tinned tomatoes. So does half a carrot, cooked along and taken out before the meal.
Jam sets when a drop of it on a cold plate wrinkles under your finger. Overripe fruit holds little pectin, so add the pips and peel of a lemon in a bag.
Keep one chopping board for meat and another for everything else. Wash both with hot water at once, and stand them up to dry.
Yoghurt curdles in a hot sauce unless you warm it first with a spoonful of that sauce. Flour or starch stirred into it helps as well.
The crisp skin of roast chicken comes from dryness. Leave the bird uncovered in the fridge overnight, and keep fat and water away until the oven is hot.
Avocados ripen beside a banana in a paper bag within two days. A squeeze of lime and a tight cover slow the browning of a cut half.
Choux pastry collapses when the oven door is opened too early. Wait until the puffs are brown all over, then prick them so that the steam escapes.
Season a salad at the last moment: oil first to coat the leaves, then salt, then vinegar. The other way round the leaves go limp in minutes.
Ice crystals spoil home-made ice cream. Freeze the mixture in a shallow tray and stir it hard every half hour until it is firm.
A stew tastes better on the second day because the spices have spread and the gelatine has set. Heat it slowly and do not let it boil again.
Cheese keeps longest in paper with a loose bag around it. It has to breathe, but not so much that the cut face turns hard.
Fry in small portions: cold food cools the oil, and cool oil soaks in. Wait for the bubbles to gather pace again between two batches.
Gluten makes bread chewy and cakes tough. Knead the one until it shines, and stir the other only until the flour has gone.
Coffee tastes bitter when the grind is too fine or the water too hot. Let the kettle stand for half a minute, and pour in circles.
Nuts turn rancid within months because their oil meets the air. Keep them in the freezer; they can be used at once, without thawing.
Capers, olives and anchovies bring their own salt. Taste the dish after they went in and only then reach for the cellar.
Caramel goes from amber to burnt in the time it takes to answer the door. Have the cream measured and warm beside the pan before the sugar melts.
Pickles stay crisp when a vine leaf or a little tea lies in the jar. The tannin holds the cell walls together while the brine works.
"""

QUESTIONS = """\
Which planet has the shortest day of all in the solar system?|Jupiter
At what temperature do the Celsius and Fahrenheit scales show the same number?|minus forty
Which metal is liquid at room temperature and was used in old thermometers?|mercury
How many strings does a violin have, and to which notes are they tuned?|four: G, D, A and E
What is the only even prime number, and why can there be no other?|two, for all others are divisible by it
Which ocean lies between the east coast of Africa and the west coast of Australia?|the Indian Ocean
In which organ of the human body is the smallest bone to be found?|the ear
What do we call a word that reads the same forwards and backwards?|a palindrome
Which gas makes up the largest part of the air that we breathe?|nitrogen
How many sides does a heptagon have, and what is the sum of its angles?|seven, nine hundred degrees
Which chess piece is the only one that may jump over others?|the knight
What is the name of the line that divides the globe into north and south?|the equator
Which blood vessels carry blood from the heart to the rest of the body?|the arteries
What force keeps the moon on its path around the earth?|gravity
Which vitamin does the skin make when the sun shines on it?|vitamin D
How long does light take to travel from the sun to the earth?|about eight minutes
"""

CHANGES = (
    "copy",
    "case and punctuation",
    "one word",
    "two words",
    "sentence added",
    "sentence dropped",
    "header",
    "order",
)


def changed(text: str, how: str, rng: random.Random, other: str) -> str:
    """A note as it comes back."""
    words = text.split()
    if how == "case and punctuation":
        return text.upper().replace(".", " !").replace(",", "")
    if how in ("one word", "two words"):
        for _ in range(1 if how == "one word" else 2):
            words[rng.randrange(len(words))] = rng.choice(["always", "gently", "perhaps", "well", "soon"])
        return " ".join(words)
    first, _, rest = text.partition(". ")
    if how == "sentence added":
        return f"{text} {other.split('. ')[0]}."
    if how == "sentence dropped":
        return f"{first}. {rest.split('. ')[0]}" if ". " in rest else f"{rest} {first}."
    if how == "header":
        return f"Tip of the day: {text}"
    if how == "order":
        return f"{rest} {first}."
    return text


def kitchen() -> list[dict[str, object]]:
    """The notes and their repetitions, shuffled."""
    rng = random.Random(7)
    notes = NOTES.strip().split("\n")
    rows: list[dict[str, object]] = [{"text": note, "source": "notebook"} for note in notes]
    for place, note in enumerate(notes):
        for how in rng.sample(CHANGES, rng.choice([0, 0, 1, 1, 2, 3, 5])):
            rows.append({"text": changed(note, how, rng, notes[place - 1]), "source": how})
    rows += [{"text": "", "source": "empty"}, {"text": " … ", "source": "empty"}]
    rng.shuffle(rows)
    return [{"id": number, **row, "likes": rng.randrange(200)} for number, row in enumerate(rows)]


def quiz() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Questions to train on and to test with; three of the test's are in both, one inside a longer text."""
    rng = random.Random(3)
    items = [line.split("|") for line in QUESTIONS.strip().split("\n")]
    train = [{"text": f"Question: {question} Answer: {answer}"} for question, answer in items[:11]]
    test: list[dict[str, object]] = [{"text": question} for question, _ in items[11:]]
    test += [
        {"text": items[2][0]},
        {"text": f"Question: {items[5][0]} Answer: {items[5][1]}"},
        {"text": changed(items[7][0], "one word", rng, "")},
    ]
    return train, test


def main() -> None:
    """Write the datasets and the stored result."""
    folder = HERE / "examples"
    folder.mkdir(exist_ok=True)
    train, test = quiz()
    for name, rows in (("kitchen", kitchen()), ("quiz_train", train), ("quiz_test", test)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    dataset = read_file(folder / "kitchen.jsonl", "kitchen.jsonl", 1_000)
    *_, result = deduplicate(dataset, validate(**FIRST))
    assert isinstance(result, Result)
    decided = outcome(result)
    stored = json.dumps(to_json(result, decided), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    (folder / "kitchen.json").write_text(stored, encoding="utf-8")
    print(f"kitchen: {dataset.rows} rows, {len(decided.kept)} kept, {len(stored.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
