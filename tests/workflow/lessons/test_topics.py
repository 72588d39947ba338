"""Pictures are written, one a topic, the same each time."""

from __future__ import annotations

from typing import get_args

import pytest
from PIL import Image

from climdiff import cli
from climdiff.workflow.lessons.topics import LESSONS, write


def test_the_command_line_knows_every_topic_in_order():
    assert get_args(cli.Topic) == tuple(LESSONS)


def test_a_caption_is_one_sentence():
    assert [lesson.caption for lesson in LESSONS.values() if ". " in lesson.caption] == []
    assert all(lesson.caption.endswith(".") for lesson in LESSONS.values())


@pytest.mark.parametrize("topic", ["kernel", "schedules"])
def test_a_picture_is_a_small_png_and_the_same_again(topic, tmp_path):
    path = write(topic, tmp_path / "new" / "folder")
    assert path.name == f"{topic}.png"
    assert path.stat().st_size < 200_000
    assert Image.open(path).size[0] == 1200
    assert write(topic, tmp_path).read_bytes() == path.read_bytes()
