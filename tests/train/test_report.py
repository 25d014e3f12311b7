import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from patchworld.errors import InputError
from patchworld.train.report import Curve, chart, read_metrics, thin, ticks, write_report, write_tensorboard
from patchworld.video import Clip


@pytest.fixture
def run(tmp_path):
    """The folder of a run of 1,000 steps with a spike, an evaluation and a step that was not learned from."""
    rows = [
        {"step": s, "seconds": 2.0 * s, "loss": 1 + 99 * (s == 700) + 1 / s, "tokens_per_second": 1000.0}
        for s in range(1, 1001)
    ]
    rows += [
        {"step": 500, "held_out_loss": 1.25},
        {"step": 600, "psnr <b>": 30.0},
        {"step": 801, "not_learned_from": 1},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 1001, "lo')
    (tmp_path / "samples").mkdir()
    for step in range(0, 1000, 100):
        Clip(np.full((1, 8, 8, 3), step // 10, np.uint8), 1.0).save(tmp_path / "samples" / f"step-{step:08d}.png")
    return tmp_path


def test_every_metric_is_read_and_a_line_that_is_not_complete_is_left(run):
    curves = read_metrics(run / "metrics.jsonl")
    assert curves["held_out_loss"] == Curve([500], [1.25])
    assert curves["loss"].steps == list(range(1, 1001))
    assert curves["loss"].values[699] == 100 + 1 / 700


@pytest.mark.parametrize(
    "line", ["[]", "3", '{"loss": 1}', '{"step": null}', '{"step": 1, "loss": NaN}', "{", '{"a": ']
)
def test_what_is_no_row_is_passed_over(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(line + '\n{"step": 2, "loss": 0.5}\n')
    assert read_metrics(path) == {"loss": Curve([2], [0.5])}
    path.write_text(line + "\n")
    with pytest.raises(InputError, match="holds no step yet"):
        read_metrics(path)


def test_a_folder_that_is_no_run_is_told_of(tmp_path):
    with pytest.raises(InputError, match="does not exist: give the folder of a training run"):
        write_report(tmp_path)


def test_a_long_curve_keeps_its_extremes_and_its_mean(run):
    curve = read_metrics(run / "metrics.jsonl")["loss"]
    points = thin(curve, 100)
    assert len(points) == 100
    assert max(point.high for point in points) == max(curve.values)
    assert min(point.low for point in points) == min(curve.values)
    assert sum(point.mean for point in points) / 100 == pytest.approx(sum(curve.values) / 1000)
    short = Curve([1, 2, 3], [5.0, 1.0, 9.0])
    assert [(point.step, point.low, point.mean, point.high) for point in thin(short)] == [
        (1, 5, 5, 5),
        (2, 1, 1, 1),
        (3, 9, 9, 9),
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 4, [0, 1, 2, 3, 4]),
        (0.19, 1.6, [0.5, 1.0, 1.5]),
        (990, 3010, [1000, 2000, 3000]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_numbers_inside_the_range(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_a_chart_goes_from_corner_to_corner_and_is_drawn_of_any_curve():
    line = chart(Curve([10, 20], [1.0, 3.0]))
    (points,) = re.findall(r'<polyline points="(.*?)"', line)
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in points.split())
    assert x1 < 80
    assert x2 > 460
    assert y1 > 170 > 30 > y2  # a larger value is higher up
    for values in ([0.0], [5.0, 5.0], [1e-30, 2e-30], [1e12, -1e12], [0.0, 0.0, 1e9]):
        ElementTree.fromstring(chart(Curve(list(range(len(values))), values)))


def test_a_report_is_one_file_that_asks_nobody_for_anything(run):
    page = write_report(run).read_text()
    assert "1,000 steps, 33 min of training, 1,000 tokens a second" in page
    assert "Bad numbers in 1 of the steps, which were not learned from: 801" in page
    assert page.count("<svg") == 4
    assert page.count("data:image/png;base64,") == 6
    assert page.index("Step 900<") < page.index("Step 0<")
    assert "psnr &lt;b&gt;" in page
    assert not re.search(r"https?:|<script|<link|url\(|@import", page)
    assert "default-src 'none'" in page
    assert 'http-equiv="refresh"' not in page
    assert '<meta http-equiv="refresh" content="7">' in write_report(run, 7).read_text()


def test_tensorboard_has_every_value_and_image_and_is_continued(run):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def found():
        events = EventAccumulator(str(run / "tensorboard"), {"scalars": 0, "images": 0}).Reload()
        return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}, events

    assert write_tensorboard(run) == 1000
    scalars, events = found()
    curves = read_metrics(run / "metrics.jsonl")
    assert scalars.keys() == curves.keys()
    assert scalars["held_out_loss"] == [(500, 1.25)]
    assert [step for step, _ in scalars["loss"]] == curves["loss"].steps
    assert [event.step for event in events.Images("samples")] == list(range(0, 1000, 100))
    with (run / "metrics.jsonl").open("a") as file:
        file.write('\n{"step": 1001, "loss": 0.5}\n')
    assert write_tensorboard(run, 1000) == 1001
    assert found()[0]["loss"][-2:] == [(1000, pytest.approx(1.001)), (1001, 0.5)]
    write_tensorboard(run)  # written anew
    assert len(found()[0]["loss"]) == 1001
