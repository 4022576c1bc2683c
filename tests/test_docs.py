"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from footfall.cli.common import SWITCHES
from footfall.cli.main import COMMANDS
from footfall.consent import choice, notice
from footfall.delivery import OUTBOX_NAME
from tests.docs_tables import DOCS, TABLES, filled, page_and_part

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("name", TABLES)
def test_generated_tables_are_fresh(name: str) -> None:
    """`make docs` would change nothing."""
    path, part = page_and_part(name)
    text = path.read_text(encoding="utf-8")
    assert text == filled(text, TABLES[name](), part), "run `make docs`"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_row_and_a_chapter(command: str) -> None:
    """Who reads docs/commands.md finds each command, with what it does and an example."""
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert f"[`footfall {command}`](#footfall-{command}) | {COMMANDS[command].summary} |" in text
    chapter = text.partition(f"\n## footfall {command}\n")[2].partition("\n## ")[0]
    assert f"\nfootfall {command}" in chapter
    assert "For example:" in chapter


def test_every_switch_and_file_is_in_the_configuration() -> None:
    """Every variable that can say no, and every file that remembers a choice, is named."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    files = (choice.FILE_NAME, notice.FILE_NAME, "installation-", "status.json", OUTBOX_NAME, "journal/", "hosts/")
    assert [name for name in (*SWITCHES, *files) if not re.search(rf"`[\w/]*{re.escape(name)}", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    """Each relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_python_example_of_the_readme_compiles() -> None:
    """Examples are code that can be pasted."""
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        compile(example, "README.md", "exec")
