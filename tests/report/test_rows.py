"""The rows of a score card are those of the scores that are known, in a fixed order."""

from climdiff.report.rows import FIXED, Row, groups


def test_only_what_is_known_has_a_row_and_only_what_has_rows_a_group():
    found = list(groups({"crps_fair", "p99", "unheard_of"}))
    assert [group.heading for group in found] == ["The forecast as a whole", "Distribution and texture"]
    assert [row.key for group in found for row in group.rows] == ["crps_fair", "p99"]


def test_events_are_ordered_by_their_threshold_as_a_number():
    found = groups({"brier_fair@10", "brier_fair@2", "fss_5@2", "fss_3@2"})
    assert [(group.heading, [row.key for row in group.rows]) for group in found] == [
        ("Event: at least 2", ["brier_fair@2", "fss_5@2"]),
        ("Event: at least 10", ["brier_fair@10"]),
    ]


def test_seasons_regions_and_other_variables_have_rows():
    known = {"DJF:crps_fair", "west:crps_fair", "west:mae", "correlation_tas", "correlation_tas_truth"}
    assert [row.name for group in groups(known) for row in group.rows] == ["with tas", "DJF", "west"]


def test_the_truth_of_an_event_keeps_its_threshold():
    assert Row("joint@1", "", "").truth == "joint_truth@1"
    assert Row("p99", "", "").truth == "p99_truth"


def test_every_row_says_what_it_means():
    assert all(row.meaning.endswith(".") and len(row.meaning) > 20 for group in FIXED for row in group.rows)
