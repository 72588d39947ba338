"""`climdiff data`: the data sets known by name."""

from __future__ import annotations

from typing import Annotated

import typer

from climdiff.commands.recipe import Overrides, RecipePath
from climdiff.errors import DataError

app = typer.Typer(help="The data sets climdiff knows by name.", no_args_is_help=True)


@app.command("list")
def names() -> None:
    """List the data sets."""
    from climdiff.catalog.entries import find
    from climdiff.catalog.entries import names as known

    for name in known():
        print(f"{name:20} {find(name).title}")


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="A data set, such as radar2km.")]) -> None:
    """Show title, licence, source, parts and variables."""
    from climdiff.catalog.entries import find

    entry = find(name.partition("/")[0])  # a part, as recipes name them, shows the whole
    for key in ("title", "description", "licence", "source", "citation"):
        print(f"{key + ':':13}{getattr(entry, key)}")
    for part_name, part in entry.parts.items():
        subsets = f" (subsets: {', '.join(part.subsets)})" if part.subsets else ""
        print(f"\n{entry.name}/{part_name}{subsets}")
        for variable_name, variable in part.variables.items():
            print(f"  {variable_name:8}{variable.units:12}{variable.standard_name}")


@app.command("check")
def check(name: Annotated[str, typer.Argument(help="A data set, such as radar2km, or one part of it.")]) -> None:
    """Open a data set and list everything wrong with it."""
    from climdiff.catalog.checks import check as faults
    from climdiff.progress import show_problems

    problems = faults(name)
    if not problems:
        print(f"{name}: nothing wrong")
        return
    show_problems(name, problems)
    raise typer.Exit(DataError.exit_code)


@app.command("leaks")
def leaks(recipe: RecipePath, overrides: Overrides = None) -> None:
    """Look for fields that two splits share. Says how long the weather is remembered, too."""
    from climdiff import build
    from climdiff.progress import show_problems
    from climdiff.recipe.load import load
    from climdiff.workflow.leaks import digests, duplicates, memory_lines, not_compared

    loaded = load(recipe, overrides or ())
    found = digests(build.open_splits(loaded))
    left_out = not_compared(found)
    for line in memory_lines(loaded, found["train"]) + left_out:
        print(line)
    problems = duplicates(found)
    if problems:
        show_problems(loaded.name, problems)
        raise typer.Exit(DataError.exit_code)
    counted = ", ".join(f"{each.times.size} {name}" for name, each in found.items())
    print(f"no {'other ' if left_out else ''}field is in two splits ({counted})")
