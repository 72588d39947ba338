import re
import time
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from climdiff.grids.grid import Grid
from climdiff.report.curves import loss_figure, rank_histogram_figure
from climdiff.report.maps import ensemble_maps
from climdiff.report.page import Page, Picture, VariableSection, render

EVIL = '"\n\x1b[31mERROR<script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}\'"'
SCORES = {
    "diffusion": {
        "crps_fair": 0.138,
        "mae": 0.19,
        "brier_fair@1": 0.1,
        "wet_fraction@1": 0.2,
        "wet_fraction_truth@1": 0.2,
    },
    "bilinear": {
        "crps_fair": 0.24,
        "mae": 0.24,
        "brier_fair@1": 0.2,
        "wet_fraction@1": 0.2,
        "wet_fraction_truth@1": 0.2,
    },
}
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Outline(HTMLParser):
    """Collects tags, attributes and text; fails on a tag that is closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    assert parser.open == []
    return parser


def small_figure() -> Figure:
    return rank_histogram_figure({"diffusion": np.ones(5)})


def page_of(text: str) -> Page:
    """Return a page with `text` wherever a text can stand."""
    picture = Picture(small_figure(), text, text)
    section = VariableSection(text, text, text, SCORES | {text: {"crps_fair": 0.3}}, (picture,), (picture,), text)
    return Page(text, (section,), text, text, "diffusion", (picture,), text, {text: text}, {text: text})


def test_the_page_has_every_part() -> None:
    section = VariableSection("pr", "daily rain", "mm day-1", SCORES, verdict=("Better than bilinear.",))
    training = (Picture(loss_figure([{"step": 1, "loss": 1.0}]), "Loss"),)
    page = Page("My run", (section,), training=training, recipe="seed: 1", provenance={"climdiff": "0.1"})
    found = outline(render(page))
    for text in (
        "My run",
        "Daily rain: fair CRPS 0.138 mm day⁻¹",
        "Better than bilinear.",
        "seed: 1",
        "Event: at least 1 mm day⁻¹",
    ):
        assert text in found.text
    assert found.tags.count("img") == 1
    assert any(name == "title" and "whatever its size" in (value or "") for name, value in found.attributes)


def test_the_verdict_stands_before_everything_else() -> None:
    section = VariableSection(
        "pr", "rain", "mm", SCORES, verdict=("one by one", "the footing"), standing="It is better."
    )
    text = outline(render(Page("My run", (section,)))).text
    places = [text.index(part) for part in ("It is better.", "The footing", "One by one", "Score card")]
    assert places == sorted(places)


@pytest.mark.parametrize("verdict", [(), ("one by one", "the footing")])
def test_the_note_follows_the_first_verdict_and_stands_once(verdict: tuple[str, ...]) -> None:
    section = VariableSection("pr", "rain", "mm", SCORES, verdict=verdict, standing="It is better.")
    text = outline(render(Page("My run", (section, section), note="All contain it."))).text
    assert text.count("All contain it.") == 1
    assert text.index("It is better.") < text.index("All contain it.") < text.rindex("It is better.")


def test_a_leak_is_an_alarm_on_top_and_without_one_there_is_none() -> None:
    found = outline(render(Page("run", (), leaks=("3 test fields are training fields",))))
    assert ("role", "alert") in found.attributes and "3 test fields are training fields" in found.text
    assert ("role", "alert") not in outline(render(Page("run", ()))).attributes


def test_what_was_not_searched_for_leaks_is_told_with_the_verdict() -> None:
    found = outline(render(Page("run", (), unsearched=("not searched for copies: fine 'pr'",), skipped=("gan",)))).text
    assert found.index("Verdict") < found.index("Not searched for copies: fine 'pr'.") < found.index("Not scored")
    assert "Not searched" not in outline(render(Page("run", ()))).text


def test_what_is_sure_is_marked_in_the_cells() -> None:
    section = VariableSection("pr", "rain", "mm", SCORES, sure=frozenset({("crps_fair", "bilinear")}))
    html = render(Page("run", (section,)))
    assert '<td class=" worse-3 sure">0.240*</td>' in html
    assert html.count(' sure">') == 1


@pytest.mark.parametrize(
    ("sure", "said"),
    [
        (
            frozenset({("crps_fair", "bilinear")}),
            "Rows without one are pale at most.",
        ),
        (frozenset(), "No difference is sure: colors are pale at most."),
    ],
)
def test_the_legend_says_when_colors_are_pale_and_has_a_space_between_sentences(
    sure: frozenset[tuple[str, str]], said: str
) -> None:
    scores = SCORES | {"oracle": {"crps_fair": 0.13}}
    text = outline(render(Page("run", (VariableSection("pr", "rain", "mm", scores, sure=sure),)))).text
    assert f"{said} The oracle knows the law that made the data." in " ".join(text.split())


def test_the_truth_stands_beside_the_model_and_both_stay_in_sight() -> None:
    html = render(Page("run", (VariableSection("pr", "rain", "mm", SCORES),)))
    heads, row = re.findall(r"<th scope=\"col\".*?</th>", html), html.split(">Frequency<")[1].split("</tr>")[0]
    assert [re.sub("<.*?>", "", head) for head in heads] == ["Score", "diffusion", "truth", "bilinear"]
    assert re.findall(r'<td class="(\w*)', row) == ["model", "truth", ""]
    rule = re.search(r"@media screen and \(min-width.*?\n}", html, re.DOTALL)
    assert rule is not None and ".card .model, .card .truth { position: sticky;" in rule[0]


def test_what_scrolls_sideways_fades_at_its_edge_on_a_screen_only() -> None:
    rule = re.search(r"@media screen {.*?\n}", render(Page("run", ())), re.DOTALL)
    assert rule is not None
    for part in (".scroll, .maps figure > div", "animation-timeline: scroll(self x)", "mask-image"):
        assert part in rule[0]


def test_a_row_that_the_coarse_field_gives_has_a_note() -> None:
    pages = [
        outline(render(Page("run", (VariableSection("pr", "rain", "mm", SCORES, given=given),)))).text
        for given in (frozenset(("mae",)), frozenset[str]())
    ]
    assert ["MAE of the mean†" in page and "the coarse field gives this" in page for page in pages] == [True, False]
    assert "†" not in pages[1]


def test_every_picture_says_in_words_what_it_shows() -> None:
    found = outline(render(page_of("rain")))
    assert found.tags.count("img") == len([value for name, value in found.attributes if value and name == "alt"])


def test_no_two_sections_are_called_calibration() -> None:
    picture = Picture(small_figure(), "Ranks")
    section = VariableSection("pr", "rain", "mm", SCORES, curves=(picture,))
    html = render(Page("run", (section,), calibrated="On 8 dates", calibration=(picture,)))
    heads = re.findall(r"<h[23]>(.*?)</h", html)
    assert "Calibration, structure and extremes" in heads and "How members are drawn" in heads
    assert sum("Calibration" in head for head in heads) == 1
    assert '<a href="#calibration">How members are drawn</a>' in html


def test_what_was_not_scored_is_told() -> None:
    assert (
        "Pr: scores of series left out: no dates"
        in outline(render(Page("r", (), skipped=("pr: scores of series left out: no dates",)))).text
    )


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_run() -> None:
    html = render(page_of("rain"))
    found = outline(html)
    assert {"script", "link", "iframe", "object", "svg"}.isdisjoint(found.tags)
    assert all((value or "").startswith("data:image/") for name, value in found.attributes if name == "src")
    assert all((value or "").startswith("#") for name, value in found.attributes if name == "href")
    assert "url(" not in html and "@import" not in html
    assert "default-src 'none'" in html


def test_fault_s_9_markup_in_attributes_is_shown_and_not_run() -> None:
    html = render(page_of(EVIL))
    found = outline(html)
    assert found.tags.count("script") == 0
    assert not any(name.startswith("on") for name, _ in found.attributes)
    assert all((value or "").startswith("data:image/") for name, value in found.attributes if name == "src")
    assert "\x1b" not in html
    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7*7 }}" in found.text and "49" not in found.text


def test_the_recipe_keeps_its_lines_and_loses_its_control_characters() -> None:
    html = render(Page("run", (), recipe="a: 1\n  b: <2>\x1b[31m\n"))
    assert "<pre>a: 1\n  b: &lt;2&gt;[31m\n</pre>" in html


def test_a_page_without_variables_or_pictures_is_a_page() -> None:
    assert "<h1>Empty</h1>" in render(Page("Empty", ()))


def test_the_same_input_gives_the_same_page() -> None:
    assert render(page_of("rain")) == render(page_of("rain"))


def test_an_identifier_is_never_used_twice() -> None:
    section = VariableSection("pr", "rain", "mm", SCORES)
    found = outline(render(Page("run", (section, section))))
    names = [value for name, value in found.attributes if name == "id"]
    assert len(set(names)) == len(names)
    assert {value for name, value in found.attributes if name == "href"} <= {f"#{name}" for name in names}


@pytest.mark.usefixtures("no_network")
def test_a_report_with_many_maps_is_small_and_soon_made(
    rain_world: Callable[..., tuple[xr.Dataset, xr.Dataset, xr.Dataset]],
) -> None:
    truth, coarse, ensemble = rain_world("rotated")
    grids = Grid.from_dataset(truth), Grid.from_dataset(coarse)
    date = truth["time"].values[0]
    start = time.process_time()
    figure = ensemble_maps(truth, coarse, ensemble, grids=grids, time=date, variable="pr")
    html = render(Page("run", (VariableSection("pr", "rain", "mm", SCORES, (Picture(figure, "Map", format="png"),)),)))
    assert time.process_time() - start < 5
    (source,) = re.findall(r'src="(data:image/png[^"]*)"', html)
    assert len(source) < 300_000
