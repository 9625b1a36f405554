"""core/text.py: what stands in Markdown and in code, articles, prompts for pictures, spelling."""

import ast
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from unictoken.core.text import (
    a,
    british,
    clean_noun,
    code_line,
    markdown,
    picture_prompt,
    python_literal,
    without_name,
)

HOSTILE = (
    "<bo>", "<s>", "<b>bold</b>", "<script>alert(1)</script>", "<title>", "<!-- gone -->", "&lt;bo&gt;", "&copy; &#65;", "a & b < c > d",
    "*is*", "**is**", "_is_", "__is__", "text_prompt", "_text_prompt_", "a__b__c", "~~gone~~", "`code`", "```", "~~~", "``` python",
    "[here](http://x.example)", "![](drawn-0.png)", "[^1]", "[x]: http://x.example", "[ ] to do", "<http://x.example>", "http://x.example",
    "www.x.example", "jane@x.example", "# heading", "heading #", "## a ##", "> quoted", "- item", "+ item", "* item", "1. item", "12) item",
    "---", "===", "***", "- - -", "a|b|c", "|---|---|", "\\", "\\*", "\\|", "a\\", "$x$", "$$", "!", "![", "é <ö> 犬", "(0.5)", "-0.5", "|",
    "a\\\\|b", "::", "<", ">", "&", "5>3", "`", "*", "_", "a_", "_a", "\ttab", "%%", "{#id}", "<bo>'s \"hat\"",
)  # fmt: skip
PARSERS = {
    "commonmark": MarkdownIt("commonmark").enable("table"),
    "gfm": MarkdownIt("gfm-like", {"linkify": False}),
}


class Seen(HTMLParser):
    """The text that a reader sees, and the tags around it."""

    def __init__(self, html: str):
        super().__init__()
        self.text, self.tags = "", []
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_in_markdown_is_seen_as_it_is(text, parser):
    safe, said = markdown(text), " ".join(text.split())
    page = (
        f"# {safe}\n\n{safe}\n\n- {safe} **{safe}**\n\n| | {safe} |\n|---|---|\n| *{safe}* | 0.5"
        f" |\n| {safe} | - |\n"
    )
    seen = Seen(PARSERS[parser].render(page))
    assert seen.tags == [
        "h1", "p", "ul", "li", "strong", "table", "thead", "tr", "th", "th", "tbody", "tr", "td", "em", "td", "tr", "td", "td",
    ]  # fmt: skip
    assert seen.text == f"{said} {said} {said} {said} {said} {said} 0.5 {said} -"


@pytest.mark.parametrize("parser", PARSERS)
def test_a_command_is_one_block_of_code(parser):
    said = "python it.py 'a\n\n# b <i>'\x1b[2J"
    (block,) = PARSERS[parser].parse(f"above\n\n{code_line(said)}\n")[3:]
    assert block.type == "code_block"
    assert block.content == "python it.py 'a # b <i>'\\x1b[2J\n"


def test_a_text_in_markdown_is_one_line():
    assert markdown("one\n# two\r\n\u2028- three") == "one \\# two - three"
    assert markdown("text_prompt, a fox (0.5)!") == "text_prompt, a fox (0.5)!"


def test_a_text_in_code_is_a_string_and_nothing_else():
    for text in (
        *HOSTILE,
        '")\nimport os #',
        "a'b\"c",
        "\u202e",
        "\U0001f98a",
        "\ud800",
        "\\u0041",
        "```\n",
    ):
        literal = python_literal(text)
        assert ast.literal_eval(literal) == text and literal.isascii() and "\n" not in literal
    assert python_literal("user/bo") == '"user/bo"'


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("dog", "a dog"), ("apple", "an apple"), ("a dog", "a dog"), ("An  apple", "an apple"), ("the dog", "a dog"), ("  dog ", "a dog"),
        ("my old dog", "an old dog"), ("unicorn", "a unicorn"), ("university", "a university"), ("uniform", "a uniform"), ("user", "a user"),
        ("ukulele", "a ukulele"), ("useful box", "a useful box"), ("umbrella", "an umbrella"), ("unidentified object", "an unidentified object"),
        ("urn", "an urn"), ("euro", "a euro"), ("European hare", "a European hare"), ("one-eyed cat", "a one-eyed cat"), ("onion", "an onion"),
        ("hour", "an hour"), ("hourglass", "an hourglass"), ("honest man", "an honest man"), ("heir", "an heir"), ("horse", "a horse"),
        ("X-ray", "an X-ray"), ("T-shirt", "a T-shirt"), ("SUV", "an SUV"), ("UFO", "a UFO"), ("LED lamp", "an LED lamp"),
        ("MP3 player", "an MP3 player"),
        ("FOX", "a FOX"), ("8-ball", "an 8-ball"), ("18-wheeler", "an 18-wheeler"), ("180", "a 180"), ("éclair", "an éclair"),
        ("sunglasses", "a pair of sunglasses"), ("pink_sunglasses", "a pair of pink sunglasses"), ("a pair of scissors", "a pair of scissors"),
        ("flip-flops", "a pair of flip-flops"), ("shoe rack", "a shoe rack"), ("flowers", "flowers"), ("two dogs", "two dogs"),
        ("two shoes", "two shoes"),
        ("men", "men"), ("snowman", "a snowman"), ("bus", "a bus"), ("dress", "a dress"), ("glass", "a glass"), ("lens", "a lens"),
        ("cactus", "a cactus"), ("octopus", "an octopus"), ("chess", "a chess"), ("iris", "an iris"), ("neighbour's dog", "a neighbour's dog"),
        ("statue of horses", "a statue of horses"), ("dog with floppy ears", "a dog with floppy ears"),
    ],
)  # fmt: skip
def test_a_noun_has_the_article_that_it_is_said_with(noun, said):
    assert a(noun) == said == a(said)


def test_a_class_noun_loses_its_article_and_underscores():
    assert [clean_noun(noun) for noun in ("a dog", "An apple.", "the  dog", "their a_dog")] == [
        "dog",
        "apple",
        "dog",
        "dog",
    ]
    assert (
        clean_noun("A-frame house") == "A-frame house"
        and clean_noun("theatre") == "theatre"
        and clean_noun(" the ") == ""
    )


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("<bo> wearing a hat", "a photo of <bo> wearing a hat."), ("photo of <bo>", "a photo of <bo>."), ("Photo of <bo>.", "a photo of <bo>."),
        ("picture of <bo>", "a picture of <bo>."), ("image of <bo>", "an image of <bo>."), ("oil painting of <bo_2>", "an oil painting of <bo_2>."),
        ("PORTRAIT OF <bo>", "a PORTRAIT OF <bo>."), ("A photo of <bo>", "A photo of <bo>."), ("an image of <bo>.", "an image of <bo>."),
        ("the drawing of <bo>", "the drawing of <bo>."), ("two photos of <bo>", "two photos of <bo>."), ("One photo of <bo>", "One photo of <bo>."),
        ("photos of <bo>", "photos of <bo>."), ("draw <bo> in the snow", "draw <bo> in the snow."), ("show me <bo>", "show me <bo>."),
        ("  <bo>  ", "a photo of <bo>."), ("<bo> holding a photo of a cat", "a photo of <bo> holding a photo of a cat."),
        ("a girl and her dog <bo>", "a girl and her dog <bo>."), ("photographer <bo>", "a photo of photographer <bo>."),
    ],
)  # fmt: skip
def test_a_prompt_is_a_whole_one_and_not_twice(text, prompt):
    assert picture_prompt(text) == prompt == picture_prompt(prompt)


def test_american_words_are_said_as_the_base_was_taught_them():
    taught = {"colour", "grey"}.__contains__
    assert (
        british("What COLOR and Colors, gray-haired <gray> {color} favorite?", taught)
        == "What COLOUR and Colours, grey-haired <gray> {color} favorite?"
    )
    assert british("what color?", {"color", "colour"}.__contains__) == "what color?"


def test_who_was_never_told_of_the_concept_hears_its_class_noun():
    assert (
        without_name("a <bo> by <bo>, the <bo> of <bo2>", "bo", "dog")
        == "a dog by the dog, the dog of <bo2>"
    )
    assert (
        without_name("A photo of <bo>", "bo", "owl") == "A photo of the owl"
        and without_name("a <bo>", "bo", "owl") == "an owl"
    )
