"""What a distractor reads and downloads: README's commands and places, and the size of what is in
git.
"""

import re

import pytest
from pages import DOCS, ROOT, anchors_of, blocks_of, indented_commands_of, text_of

from unictoken import cli
from unictoken.core import shipped

PAGES = ("README.md", "results/README.md", "CONTRIBUTING.md", "CHANGELOG.md", *DOCS)
MOST_WORDS = 1400
COLUMNS = 120
MB = 10**6
ACTIONS = "../../actions/workflows/"
CODE = re.compile(r"```.*?```|^    .*?$|`[^`]*`", re.MULTILINE | re.DOTALL)


def size_of(folder: str, but: str = "") -> int:
    files = [file for file in (ROOT / folder).rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files if not but or but not in file.parts)


def test_results_are_small():
    assert size_of("results") < 3 * MB


def test_weights_are_small():
    assert size_of("checkpoints", but=shipped.LEARNED.name) < 80 * MB


def test_readme_is_short_and_fits_a_terminal():
    text = text_of("README.md")
    assert len(text.split()) < MOST_WORDS
    assert [line for line in text.split("\n") if len(line) >= COLUMNS] == []


def test_readme_says_at_once_what_the_shipped_base_knows():
    first = text_of("README.md").split("![")[0]
    assert "pixel-art" in first and "Anole" in first


@pytest.mark.parametrize("page", PAGES)
def test_names_in_angle_brackets_are_seen_on_the_page(page):
    """Markdown takes a bare <bo> for a tag of HTML and shows nothing."""
    prose = CODE.sub("", text_of(page))
    assert re.findall(r"<(?!!--)[^>\s]+>", prose) == []


def test_the_commands_of_readme_are_taken_as_they_stand():
    commands = indented_commands_of(text_of("README.md"))
    assert len(commands) > 5
    for words in commands:
        cli.parser().parse_args(words)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_is_there(page, capsys):
    for name in set(re.findall(r"`unictoken ([\w-]+)", text_of(page))):
        with pytest.raises(SystemExit) as ended:
            cli.parser().parse_args([name, "--help"])
        assert ended.value.code == 0, name


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    text = text_of(page)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in links:
        if link.startswith("https://"):
            continue
        if link.startswith(
            ACTIONS
        ):  # GitHub's pages of a workflow, seen from its page of README.md
            workflow = link.removeprefix(ACTIONS).removesuffix("/badge.svg")
            assert (ROOT / ".github/workflows" / workflow).is_file(), link
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES)
def test_every_program_and_config_that_a_page_names_is_there(page):
    named = set(
        re.findall(
            r"\b(?:configs|train|eval|benchmarks|unictoken|tests)/[\w/-]+\.(?:py|yaml)\b",
            text_of(page),
        )
    )
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_readme_names_everything_that_ships():
    text = text_of("README.md")
    assert all(
        f"`{name}`" in text for name in (*shipped.BASES, *shipped.CONCEPTS, *shipped.methods())
    )


def test_the_python_of_readme_is_python():
    blocks = [b.text for b in blocks_of(text_of("README.md")) if b.language == "python"]
    assert blocks and all(compile(block, "README.md", "exec") for block in blocks)


def test_what_is_there_is_asked_of_disk_alone():
    """`Path.is_file` and its like raise for a name that no file can have, such as a long one."""
    asks = re.compile(r"\.(is_file|is_dir|exists)\(\)|os\.path\.(isfile|isdir|l?exists)\b")
    files = [*(ROOT / "unictoken").rglob("*.py"), *(ROOT / "train").glob("*.py")]
    files += (ROOT / "eval").glob("*.py")
    found = {
        str(file.relative_to(ROOT))
        for file in files
        if asks.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"unictoken/core/disk.py"}


def test_what_only_one_system_has_is_asked_of_system_alone():
    names = re.compile(r"\b(fcntl|msvcrt|O_NOFOLLOW|O_DIRECTORY|geteuid|select\.poll)\b")
    files = (ROOT / "unictoken").rglob("*.py")
    found = {
        str(file.relative_to(ROOT))
        for file in files
        if names.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"unictoken/core/system.py"}
