"""What the pages say is so: links lead somewhere, the recipe shown is valid, cited works are listed."""

from __future__ import annotations

import doctest
import io
import re
import tomllib
from calendar import month_name
from pathlib import Path

import pytest

from climdiff.catalog.files import read
from climdiff.recipe.load import parse

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CITED = re.compile(
    r"\b(?P<author>[A-ZÀ-Ž][\w-]+)"
    r"(?:(?P<second> (?:&|and) (?:v[ao]n )?[A-ZÀ-Ž][\w-]+)| et al\.?)?"
    r",? \(?(?P<year>(?:19|20)\d\d)\b"
)


def text_of(page: Path) -> str:
    return re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(page))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_whole_recipe_or_catalog_entry_on_a_page_is_valid(page, tmp_path):
    for block in re.findall(r"```yaml\n(.*?)```", text_of(page), flags=re.DOTALL):
        if block.startswith("name:") and "\ndata:" in block:
            parse(block, where=page.name)
        if block.startswith("title:") and "\nparts:" in block:
            entry = tmp_path / "my-data.yaml"
            entry.write_text(block, encoding="utf-8")
            read(entry)


def test_every_work_the_code_cites_is_in_the_references():
    keys = set(
        re.findall(r"^@\w+\{([A-Za-z]+\d*)", (ROOT / "docs" / "references.bib").read_text(encoding="utf-8"), re.M)
    )
    plain = str.maketrans("áéíóúüöäñç", "aeiouuoanc")
    missing = set()
    for path in (ROOT / "climdiff").rglob("*.py"):
        for match in CITED.finditer(re.sub(r"\s*\n\s*", " ", path.read_text(encoding="utf-8"))):
            names = match["author"] + (match["second"] or "").split(" ")[-1]
            if match["author"] not in month_name and names.translate(plain) + match["year"] not in keys:
                missing.add(f"{path.name}: {match.group()}")
    assert "; ".join(sorted(missing)) == ""


def test_references_are_sorted_and_each_is_there_once():
    keys = re.findall(r"^@\w+\{([^,]+),", (ROOT / "docs" / "references.bib").read_text(encoding="utf-8"), re.M)
    assert keys == sorted(set(keys), key=str.lower)


def test_the_lowest_versions_named_for_security_are_those_that_are_required():
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    floors = dict(line.split(">=") for line in lines if ">=" in line)
    text = text_of(ROOT / "SECURITY.md")
    assert [
        name for name in ("torch", "zarr", "numcodecs", "safetensors") if f"{name} {floors[name]}" not in text
    ] == []


def test_the_numbers_of_the_theory_page_are_what_its_code_gives():
    blocks = re.findall(r"```python\n(.*?)```", text_of(ROOT / "docs" / "theory.md"), flags=re.DOTALL)
    page = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "theory.md", "theory.md", 0)
    report = io.StringIO()
    outcome = doctest.DocTestRunner().run(page, out=report.write)
    assert outcome.attempted > 20
    assert outcome.failed == 0, report.getvalue()


def test_the_theory_page_shows_every_picture_and_names_its_command():
    from climdiff.workflow.lessons.topics import LESSONS

    text, folder = text_of(ROOT / "docs" / "theory.md"), ROOT / "docs" / "images" / "theory"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{topic}.png" for topic in LESSONS)
    shown = re.findall(r"\(images/theory/(\w+)\.png\)\n\n`climdiff explain (\w+)`", text)
    assert shown == [(topic, topic) for topic in LESSONS]
    assert {path.name: path.stat().st_size for path in folder.iterdir() if path.stat().st_size > 200_000} == {}
