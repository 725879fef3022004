"""Small functions of Python with what they do in words, written for this suite, under its licence. The set
`functions` of `shared.item_sets` reads this file as text: a head with its docstring is a prompt, what follows
is the right solution, and mutants of it are the wrong ones. Nothing here is called but by tests. The module
is long because every problem stands here.
"""

from __future__ import annotations


def seats_left(rows: int, per_row: int, sold: int) -> int:
    """How many seats of a hall are still free. A hall that is oversold has none.

    >>> seats_left(10, 8, 75)
    5
    """
    return max(0, rows * per_row - sold)


def ticket_price(age: int) -> int:
    """The price of a ticket: children below 6 pay nothing, below 18 one pays 5, from 65 on 7, else 10.

    >>> ticket_price(17)
    5
    """
    if age < 6:
        return 0
    if age < 18:
        return 5
    if age >= 65:
        return 7
    return 10


def longest_streak(days: list[bool]) -> int:
    """The largest number of True values in a row.

    >>> longest_streak([True, False, True, True])
    2
    """
    best = current = 0
    for day in days:
        current = current + 1 if day else 0
        best = max(best, current)
    return best


def swap_ends(word: str) -> str:
    """Exchange the first and the last letter of a word.

    >>> swap_ends("plant")
    'tlanp'
    """
    if len(word) < 2:
        return word
    return word[-1] + word[1:-1] + word[0]


def every_other(items: list[str]) -> list[str]:
    """The second, fourth, sixth item and so on.

    >>> every_other(["a", "b", "c", "d"])
    ['b', 'd']
    """
    return items[1::2]


def within(values: list[int], low: int, high: int) -> list[int]:
    """The values from low up to high, both included.

    >>> within([1, 5, 9], 5, 9)
    [5, 9]
    """
    return [value for value in values if low <= value <= high]


def first_repeat(items: list[str]) -> str | None:
    """The first item that has been there before; None if all are different.

    >>> first_repeat(["a", "b", "a"])
    'a'
    """
    for place in range(1, len(items)):
        if items[place] in items[:place]:
            return items[place]
    return None


def running_balance(start: int, changes: list[int]) -> list[int]:
    """The balance of an account after each change.

    >>> running_balance(100, [-30, 5])
    [70, 75]
    """
    balances = []
    for change in changes:
        start += change
        balances.append(start)
    return balances


def days_apart(first: int, second: int) -> int:
    """How many days lie between two weekdays, numbered 0 to 6, by the shorter way round the week.

    >>> days_apart(6, 1)
    2
    """
    distance = abs(first - second)
    return min(distance, 7 - distance)


def is_leap_year(year: int) -> bool:
    """Whether a year of the Gregorian calendar has 366 days.

    >>> is_leap_year(1900)
    False
    """
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def minutes_since_midnight(clock: str) -> int:
    """Minutes from midnight to a time of day.

    >>> minutes_since_midnight("02:15")
    135
    """
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def fewest_coins(amount: int) -> int:
    """With how few coins of 10, 5 and 1 an amount can be paid.

    >>> fewest_coins(27)
    5
    """
    return amount // 10 + amount % 10 // 5 + amount % 5


def rotate_left(items: list[int], steps: int) -> list[int]:
    """Move the first items to the end, so many of them; more steps than items go round again.

    >>> rotate_left([1, 2, 3, 4], 1)
    [2, 3, 4, 1]
    """
    if not items:
        return items
    cut = steps % len(items)
    return items[cut:] + items[:cut]


def alternating_sum(numbers: list[int]) -> int:
    """The first number minus the second plus the third, and so on.

    >>> alternating_sum([5, 2, 4])
    7
    """
    total = 0
    for place, number in enumerate(numbers):
        if place % 2 == 0:
            total += number
        else:
            total -= number
    return total


def climbs_by_one(numbers: list[int]) -> bool:
    """Whether there are numbers, and each is exactly one more than the number before it.

    >>> climbs_by_one([3, 4, 5])
    True
    """
    for place in range(1, len(numbers)):
        if numbers[place] - numbers[place - 1] != 1:
            return False
    return len(numbers) > 0


def without_last_zeros(numbers: list[int]) -> list[int]:
    """The numbers without the zeros at the end.

    >>> without_last_zeros([0, 4, 0, 0])
    [0, 4]
    """
    end = len(numbers)
    while end > 0 and numbers[end - 1] == 0:
        end -= 1
    return numbers[:end]


def diagonal_sum(table: list[list[int]]) -> int:
    """The sum of a square table's cells from top right to bottom left.

    >>> diagonal_sum([[1, 2], [3, 5]])
    5
    """
    return sum(table[row][len(table) - row - 1] for row in range(len(table)))


def is_power_of_two(number: int) -> bool:
    """Whether a whole number is 1, 2, 4, 8 and so on.

    >>> is_power_of_two(12)
    False
    """
    return number > 0 and number & (number - 1) == 0


def shared_start(one: str, other: str) -> str:
    """The longest beginning that two texts have in common.

    >>> shared_start("carpet", "cargo")
    'car'
    """
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]


def shift_letters(text: str, steps: int) -> str:
    """Move every lower-case letter on in the alphabet, from z to a; leave all else as it is.

    >>> shift_letters("xyz!", 2)
    'zab!'
    """
    moved = ""
    for letter in text:
        if "a" <= letter <= "z":
            moved += chr((ord(letter) - 97 + steps) % 26 + 97)
        else:
            moved += letter
    return moved


def run_lengths(text: str) -> list[tuple[str, int]]:
    """Each letter with how often it stands there in a row.

    >>> run_lengths("aab")
    [('a', 2), ('b', 1)]
    """
    runs: list[tuple[str, int]] = []
    for letter in text:
        if runs and runs[-1][0] == letter:
            runs[-1] = (letter, runs[-1][1] + 1)
        else:
            runs.append((letter, 1))
    return runs


def middle_of_three(a: int, b: int, c: int) -> int:
    """The number that is neither the smallest nor the largest of three.

    >>> middle_of_three(9, 1, 4)
    4
    """
    return a + b + c - min(a, b, c) - max(a, b, c)


def pairs_with_sum(numbers: list[int], total: int) -> int:
    """How many pairs of two different places hold numbers that add up to a total.

    >>> pairs_with_sum([1, 3, 2, 2], 4)
    2
    """
    count = 0
    for first in range(len(numbers)):
        for second in range(first + 1, len(numbers)):
            if numbers[first] + numbers[second] == total:
                count += 1
    return count


def is_triangle(a: int, b: int, c: int) -> bool:
    """Whether three lengths are the sides of a triangle with an area.

    >>> is_triangle(1, 2, 3)
    False
    """
    return a + b > c and a + c > b and b + c > a


def find_sorted(numbers: list[int], wanted: int) -> int:
    """The place of a number in an ascending list without repeats, by halving; -1 if it is not there.

    >>> find_sorted([2, 5, 9], 9)
    2
    """
    low, high = 0, len(numbers) - 1
    while low <= high:
        middle = (low + high) // 2
        if numbers[middle] == wanted:
            return middle
        if numbers[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1


def halving_steps(number: int) -> int:
    """How often a whole number can be halved without a rest; 0 for zero.

    >>> halving_steps(12)
    2
    """
    steps = 0
    while number != 0 and number % 2 == 0:
        number //= 2
        steps += 1
    return steps


def doubled(lists: list[list[int]]) -> list[int]:
    """One list of all numbers above zero, each doubled, in their order.

    >>> doubled([[1, -2], [3]])
    [2, 6]
    """
    return [2 * number for numbers in lists for number in numbers if number > 0]


def last_longest(words: list[str]) -> str:
    """The longest word, the last of several; at least one is given.

    >>> last_longest(["tea", "milk", "soda"])
    'soda'
    """
    best = words[0]
    for word in words[1:]:
        if len(word) >= len(best):
            best = word
    return best


def minutes_together(in_one: int, out_one: int, in_two: int, out_two: int) -> int:
    """For how long two visitors were there at once, each from a minute until a later one.

    >>> minutes_together(10, 30, 25, 60)
    5
    """
    return max(0, min(out_one, out_two) - max(in_one, in_two))


def even_and_odd(numbers: list[int]) -> tuple[list[int], list[int]]:
    """The even numbers, and the odd ones.

    >>> even_and_odd([1, 2, 4])
    ([2, 4], [1])
    """
    even = [number for number in numbers if number % 2 == 0]
    odd = [number for number in numbers if number % 2 == 1]
    return even, odd


def lowest_floor(moves: str) -> int:
    """The lowest floor that a lift reaches from floor 0: "u" takes it one up, any other letter one down.

    >>> lowest_floor("uddd")
    -2
    """
    floor = lowest = 0
    for move in moves:
        floor += 1 if move == "u" else -1
        lowest = min(lowest, floor)
    return lowest


def best_window(numbers: list[int], size: int) -> int:
    """The largest sum of so many numbers that stand side by side.

    >>> best_window([1, 9, 2, 3], 2)
    11
    """
    return max(sum(numbers[at : at + size]) for at in range(len(numbers) - size + 1))


def count_peaks(heights: list[int]) -> int:
    """How many heights are larger than the one before and the one after; the ends do not count.

    >>> count_peaks([1, 3, 2, 5])
    1
    """
    peaks = 0
    for at in range(1, len(heights) - 1):
        if heights[at - 1] < heights[at] > heights[at + 1]:
            peaks += 1
    return peaks


def item_from_end(items: list[str], place: int) -> str:
    """An item counted from the end; place 1 is the last one.

    >>> item_from_end(["a", "b", "c"], 2)
    'b'
    """
    return items[len(items) - place]


def digits_of(number: int) -> list[int]:
    """The decimal digits of a number above zero, the last one first.

    >>> digits_of(507)
    [7, 0, 5]
    """
    digits = []
    while number > 0:
        digits.append(number % 10)
        number //= 10
    return digits


def is_shouted(text: str) -> bool:
    """Whether a text is in capitals and ends with an exclamation mark.

    >>> is_shouted("STOP!")
    True
    """
    return text.isupper() and text.endswith("!")
