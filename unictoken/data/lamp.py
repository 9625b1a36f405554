"""LaMP's seven tasks (arXiv 2304.11406): what is looked for in a user's profile, and how what was
found stands in the prompt.

Items are what `readers/lamp.py` makes of a profile's entries: `text` and `label` are the two parts
that a task's prompt quotes. Prompts are those of the paper's Tables 5 and 6 and of its code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unictoken.data.item import Item

TAGS = (  # of LaMP-2
    "sci-fi",
    "based on a book",
    "comedy",
    "action",
    "twist ending",
    "dystopia",
    "dark comedy",
    "classic",
    "psychology",
    "fantasy",
    "romance",
    "thought-provoking",
    "social commentary",
    "violence",
    "true story",
)
_QUOTED = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class LampTask:
    """One of the tasks."""

    text: str
    """The key of a profile's entry that is `Item.text`."""
    label: str
    """The key that is `Item.label`; '': entries have one part only."""
    item: str
    """How an item is quoted: '{label} is the score for "{text}"'."""
    frame: str = "{items}. {question}"
    """How quoted items, joined by ', and ', stand before the question."""
    asked_after: str = ""
    """The word after which the question says what it is about: what is looked for in the profile;
    '': the two papers that LaMP-1 quotes."""
    by_both: bool = False
    """Whether both parts of an item are looked through, or its text alone."""
    labels: tuple[str, ...] = ()
    """What may be answered; (): any text."""
    metrics: tuple[str, ...] = ("rouge1", "rougeL")


_RATED = ("mae", "rmse")
_CHOSEN = ("accuracy", "macro_f1")
_TITLE = '"{label}" is the title for "{text}"'
_FOLLOWING = "{items}. Following the given patterns {question}"
TASKS: dict[str, LampTask] = {
    "LaMP_1": LampTask(
        text="abstract",
        label="title",
        item='"{label}"',
        by_both=True,
        labels=("[1]", "[2]"),
        metrics=_CHOSEN,
    ),
    "LaMP_2": LampTask(
        text="description",
        label="tag",
        item='the tag for the movie: "{text}" is "{label}"',
        asked_after="description:",
        labels=TAGS,
        metrics=_CHOSEN,
    ),
    "LaMP_3": LampTask(
        text="text",
        label="score",
        item='{label} is the score for "{text}"',
        asked_after="review:",
        labels=("1", "2", "3", "4", "5"),
        metrics=_RATED,
    ),
    "LaMP_4": LampTask(
        text="text", label="title", item=_TITLE, asked_after="article:", by_both=True
    ),
    "LaMP_5": LampTask(
        text="abstract",
        label="title",
        item=_TITLE.replace("the title", "a title"),
        frame=_FOLLOWING,
        asked_after="paper:",
        by_both=True,
    ),
    "LaMP_6": LampTask(text="text", label="title", item=_TITLE, asked_after=":"),
    "LaMP_7": LampTask(
        text="text",
        label="",
        item='"{text}"',
        frame="{items} are written by a person. Following the given patterns {question}",
        asked_after=":",
    ),
}


def query(task: str, question: str) -> str:
    """What a question is about, to be looked for in the profile; the whole of it where it is not
    of the published form.

    >>> query("LaMP_3", "What is the score of the following review ... review: a fine lamp")
    'a fine lamp'
    >>> query("LaMP_1", 'For an author who has written "a" which is related? [1]: "b" [2]: "c"')
    'b c'
    """
    after = TASKS[task].asked_after
    if not after:
        quoted = _QUOTED.findall(question)
        return " ".join(quoted[1:3]) if len(quoted) > 2 else question
    _, found, rest = question.partition(after)
    # Where the word is missing, everything is looked for: better than nothing at all.
    return rest.strip() if found and rest.strip() else question


def document(task: str, item: Item) -> str:
    """An item as it is looked through."""
    return f"{item.label} {item.text}" if TASKS[task].by_both else item.text


def prompt(
    task: str,
    items: Sequence[Item],
    question: str,
    *,
    budget: int | None = None,
    count: Callable[[str], int] = lambda text: len(text.split()),
) -> str:
    """The question with items of the profile before it, each cut to its share of the budget.

    LaMP-1 puts the titles into the question, after 'the paper with the title'.

    Args:
        task: 'LaMP_1' to 'LaMP_7'.
        items: What was found, the best first.
        question: As the file has it.
        budget: Ids that the items may take together; None: any number.
        count: Ids of a text.
    """
    if not items:
        return question
    share = None if budget is None else max(1, budget // len(items))
    said = ", and ".join(_quoted(TASKS[task], item, share, count) for item in items)
    if task == "LaMP_1":
        # As published: after the first 'title', whatever stands around it.
        before, title, after = question.partition("title")
        return f"{before}{title}, and {said}{after}" if title else question
    return TASKS[task].frame.replace("{items}", said).replace("{question}", question)


def _quoted(task: LampTask, item: Item, share: int | None, count: Callable[[str], int]) -> str:
    """An item as the prompt quotes it, with as many of its words as fit."""
    # Of the titles of LaMP-1 the label is what is long.
    long = "label" if "{text}" not in task.item else "text"
    words = getattr(item, long).split()
    fits = len(words)
    if share is not None:
        # Ids of a text grow with its words, so halving finds the longest beginning.
        low, fits = 0, len(words)
        while low < fits:
            middle = (low + fits + 1) // 2
            low, fits = (
                (middle, fits)
                if count(_filled(task, item, long, words[:middle])) <= share
                else (low, middle - 1)
            )
    return _filled(task, item, long, words[:fits])


def _filled(task: LampTask, item: Item, long: str, words: Sequence[str]) -> str:
    parts = {"text": item.text, "label": item.label} | {long: " ".join(words)}
    # One pass: what a user wrote may hold '{label}' itself.
    return re.sub(r"{(text|label)}", lambda found: parts[found[1]], task.item)
