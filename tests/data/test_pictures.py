"""Pictures: what is drawn is what was planned, and a camera that moves by whole pixels moves the picture by them."""

import json

import numpy as np
import pytest

from patchworld.data import read_dataset
from patchworld.data.pictures import Shot, describe, draw, find_photographs, plan, write_pictures
from patchworld.data.pictures.camera import FINE, camera_path, filmed, reach
from patchworld.data.pictures.colours import COLOURS
from patchworld.data.pictures.flight import FORMS
from patchworld.data.pictures.patterns import PATTERNS
from patchworld.data.pictures.planning import PHOTOGRAPHS
from patchworld.errors import InputError
from patchworld.video import Clip, read


def shot(source="checks", camera="is still", above=(), light="steady", num_frames=5, size=(24, 16), key=(0, 0, 0)):
    return Shot(key, source, ("red", "white"), size, num_frames, camera, above, light)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (1, 90, 120, 3), np.uint8)
    Clip(noise, 1.0).save(folder / "noise.png")
    Clip(noise[:, ::-1], 1.0).save(folder / "more" / "upside.png")
    return folder


def test_a_camera_at_the_finest_step_sees_the_mean_of_each_block_of_samples():
    sheet = np.random.default_rng(1).uniform(0, 255, (40, 60, 3)).astype(np.float32)
    x, y = 20, 14  # the corner between samples, so that each sample falls on a pixel of the sheet
    seen = filmed(sheet, np.array([[x, y, 1.0, 0.0]]), (8, 6))[0]
    part = sheet[y - 6 : y + 6, x - 8 : x + 8].reshape(6, FINE, 8, FINE, 3).mean((1, 3))
    np.testing.assert_allclose(seen, part, atol=0.01)


def test_a_camera_turned_by_a_quarter_sees_the_picture_turned_back():
    sheet = np.random.default_rng(2).uniform(0, 255, (32, 32, 3)).astype(np.float32)
    upright, turned = filmed(sheet, np.array([[16, 16, 1.0, 0.0], [16, 16, 1.0, np.pi / 2]]), (8, 8))
    np.testing.assert_allclose(turned, np.rot90(upright), atol=0.05)


@pytest.mark.parametrize("camera", ["is still", "pans", "zooms in", "zooms out", "turns", "pans and zooms in", "roams"])
def test_the_view_keeps_within_the_sheet_at_both_ends(camera):
    for seed in range(40):
        path = camera_path(shot(camera=camera), 96, 70, np.random.default_rng(seed))
        for x, y, span, angle in path[[0, -1]]:
            across, down = span * reach((24, 16), np.array([angle, angle]))
            assert across - 1e-6 <= x <= 96 - across + 1e-6
            assert down - 1e-6 <= y <= 70 - down + 1e-6


@pytest.mark.parametrize(("camera", "sign"), [("zooms in", -1), ("zooms out", 1), ("pans", 0), ("is still", 0)])
def test_a_camera_does_what_its_name_says(camera, sign):
    for seed in range(20):
        x, y, span, angle = camera_path(shot(camera=camera), 96, 70, np.random.default_rng(seed)).T
        assert np.sign(span[-1] - span[0]) == sign
        if "zooms" not in camera:  # near an edge, a view that widens is pushed inwards
            assert (np.ptp(x) + np.ptp(y) > 0) == (camera == "pans")
        assert np.ptp(angle) == 0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_fills_its_clip_and_stands_still_under_a_still_camera(pattern):
    frames = draw((shot(pattern),)).frames
    assert frames.shape == (5, 16, 24, 3)
    assert (frames == frames[0]).all()
    assert frames.std() > 1


@pytest.mark.parametrize("form", FORMS)
def test_a_form_covers_the_area_that_geometry_says(form):
    radius = 10.0
    y, x = np.mgrid[-20:21, -20:21].astype(float)
    area = {
        "disc": np.pi * radius**2,
        "ring": np.pi * (radius**2 - (radius / 2) ** 2),
        "square": (1.6 * radius) ** 2,
        "bar": 2.6 * radius * 0.5 * radius,
        "triangle": 3 * 3**0.5 * (radius / 2) ** 2,  # its inner circle has half the radius
    }[form]
    assert (0.5 - FORMS[form](x, y, radius)).clip(0, 1).sum() == pytest.approx(area, rel=0.03)


@pytest.mark.parametrize("above", [("disc",), ("A?",)])
def test_what_moves_above_changes_the_picture_and_moves(above):
    plain = draw((shot("gradient"),)).frames.astype(int)
    covered = draw((shot("gradient", above=above),)).frames.astype(int)
    assert np.abs(covered - plain).max() > 10
    assert not (covered == covered[0]).all()


def test_light_that_brightens_ends_as_the_steady_light():
    steady, brightens = (draw((shot(light=light),)).frames.astype(int) for light in ("steady", "brightens"))
    assert (brightens[-1] == steady[-1]).all()
    assert brightens[0].mean() < brightens[2].mean() < brightens[4].mean()


def test_a_cut_is_two_shots_and_the_caption_says_so():
    parts = shot("checks", num_frames=3), shot("stripes", num_frames=2, camera="pans", key=(0, 0, 1))
    frames = draw(parts).frames
    assert (frames[:3] == draw(parts[:1]).frames).all()
    assert (frames[3:] == draw(parts[1:]).frames).all()
    assert describe(parts) == "red and white checks, the camera is still, then red and white stripes, the camera pans"


def test_colours_of_the_caption_are_the_colours_of_the_picture():
    pixels = draw((shot("checks", size=(64, 64), num_frames=1),)).frames.reshape(-1, 3).astype(int)
    for name in ("red", "white"):
        assert (np.abs(pixels - COLOURS[name]).max(1) <= 17).mean() > 0.2


def test_a_plan_depends_on_seed_and_index_alone(photographs):
    paths = find_photographs(photographs)
    assert plan(1, 7, paths) == plan(1, 7, paths)
    assert len({plan(1, i, paths) for i in range(50)} | {plan(2, i, paths) for i in range(50)}) == 100
    share = np.mean([not isinstance(plan(1, i, paths)[0].source, str) for i in range(400)])
    assert share == pytest.approx(PHOTOGRAPHS, abs=0.1)


def test_a_photograph_is_not_enlarged_and_only_its_colours_are_seen(photographs):
    path = find_photographs(photographs)[0]
    frames = draw((shot(path, camera="pans"),)).frames
    assert frames.std() > 15  # noise of full strength, averaged over a few pixels
    assert describe((shot(path),)) == "a picture, the camera is still"


def test_the_data_set_is_read_back_continued_and_the_same_for_any_number_of_workers(tmp_path, photographs, monkeypatch):
    monkeypatch.setattr("patchworld.data.pictures.planning.MIX", ((16, 16, 3, 0.7), (16, 24, 1, 0.3)))
    first = write_pictures(tmp_path / "a", num_clips=4, photos=photographs, seed=3)
    write_pictures(first, num_clips=8, photos=photographs, seed=3)
    second = write_pictures(tmp_path / "b", num_clips=8, photos=photographs, seed=3)
    samples = read_dataset(first)
    assert len(samples) == 8
    assert (first / "captions.jsonl").read_bytes() == (second / "captions.jsonl").read_bytes()
    for index, sample in enumerate(samples):
        shots = plan(3, index, find_photographs(photographs))
        assert sample.captions == (describe(shots),)
        assert (read(sample.path).frames == draw(shots).frames).all()  # lossless
        assert sample.path.read_bytes() == (second / sample.path.relative_to(first)).read_bytes()
    assert set(json.loads((first / "dataset.json").read_text())["photographs"]) == {"noise.png", "more/upside.png"}


def test_errors_say_what_to_do(tmp_path, photographs):
    with pytest.raises(InputError, match="holds no pictures"):
        write_pictures(tmp_path / "out", num_clips=1, photos=tmp_path / "nowhere")
    for wrong in ({"num_clips": 0}, {"workers": 0}, {"seed": -1}):
        with pytest.raises(InputError, match=r"give|use"):
            write_pictures(tmp_path / "out", **{"num_clips": 1, **wrong})
    with pytest.raises(InputError, match="choose a new or empty folder"):
        write_pictures(photographs, num_clips=1)
    write_pictures(tmp_path / "out", num_clips=1)
    with pytest.raises(InputError, match="seed=0, not 1"):
        write_pictures(tmp_path / "out", num_clips=1, seed=1)
