import json
import os
import resource
import signal
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image
from tiny_commands import no_file_above
from video.making import encode, scene

from patchworld.errors import DiskError, InputError, MediaError, RunError
from patchworld.provenance import SIGNED, aigc, check, signing_folder, source_type
from patchworld.video import Clip, Writer, check_output, probe, psnr, read, read_recipe, ssim, write
from patchworld.video.label import labelled
from patchworld.video.source import open_source

VIDEOS = [".mp4", ".mov", ".webm", ".mkv", ".gif"]
IMAGES = [".png", ".jpg", ".jpeg", ".webp"]
RECIPE = {"prompt": "a red ball rolls 红色的球", "seed": 3, "canvas": {"size": [64, 64], "fps": 24.0, "loop": None}}


def clip_for(suffix: str, size: tuple[int, int] = (48, 32), recipe: dict | None = None) -> Clip:
    return Clip(scene(12 if suffix in VIDEOS else 1, *size), 24, recipe)


def stream(path: Path, frames: Iterable[np.ndarray], recipe: dict | None = None) -> None:
    """Write frames of 48x32 one by one."""
    with Writer(path, (48, 32), 24, recipe=recipe) as writer:
        for frame in frames:
            writer.add(frame)


@pytest.mark.parametrize("suffix", VIDEOS + IMAGES)
def test_the_recipe_comes_back_from_every_format(tmp_path, suffix):
    path = clip_for(suffix, recipe=RECIPE).save(tmp_path / f"out{suffix}")
    assert read_recipe(path) == RECIPE
    assert read(path).recipe == RECIPE


@pytest.mark.parametrize("suffix", VIDEOS + IMAGES)
@pytest.mark.parametrize("size", [(48, 32), (47, 31), (17, 9), (2, 3), (1, 1)])
def test_every_format_gives_back_every_size_rate_and_number_of_frames(tmp_path, suffix, size):
    clip = clip_for(suffix, size)
    back = read(clip.save(tmp_path / f"out{suffix}"))
    assert (back.size, back.fps, back.num_frames) == (size, 24.0, clip.num_frames)
    assert back.recipe is None


@pytest.mark.parametrize(
    ("suffix", "least"), [(".mp4", 36), (".mov", 36), (".webm", 36), (".gif", 24), (".jpg", 36), (".webp", 33)]
)
def test_the_picture_survives(tmp_path, suffix, least):
    clip = clip_for(suffix, (96, 64))
    back = read(clip.save(tmp_path / f"out{suffix}"))
    assert psnr(clip, back) > least
    assert ssim(clip, back) > (0.98 if suffix != ".gif" else 0.85)


def test_colours_lie_where_they_were(tmp_path):
    # At the best quality only halved colour is lost. Colour shifted by half a pixel would cost another 8 dB here.
    clip = Clip(scene(4, 96, 64), 24)
    for suffix in (".mp4", ".webm"):
        assert psnr(clip, read(clip.save(tmp_path / f"out{suffix}", crf=0))) > 48


@pytest.mark.parametrize("suffix", [".png", ".mkv"])
def test_lossless_formats_keep_every_pixel(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (8 if suffix == ".mkv" else 1, 31, 47, 3), dtype=np.uint8)
    clip = Clip(noise, 24)
    assert np.array_equal(read(clip.save(tmp_path / f"out{suffix}")).frames, noise)


def test_an_mp4_plays_in_a_browser(tmp_path):
    path = clip_for(".mp4").save(tmp_path / "out.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.profile) == ("h264", "yuv420p", "High")
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # it starts to play before all of it has arrived


def test_a_part_of_a_long_video_is_near_a_key_frame(tmp_path):
    with Writer(tmp_path / "long.mp4", (16, 16), 10) as writer:
        for frame in scene(100, 16, 16):
            writer.add(frame)
    with av.open(str(tmp_path / "long.mp4")) as container:
        keys = [float(p.pts * p.time_base) for p in container.demux(video=0) if p.is_keyframe and p.size]
    assert max(np.diff([*keys, 10.0])) <= 2.0


@pytest.mark.parametrize("suffix", VIDEOS + IMAGES)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_writing_is_whole_file_or_nothing(tmp_path, suffix, error):
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"what was there")
    frame = scene(1)[0]
    with pytest.raises(error), Writer(path, (48, 32), 24) as writer:  # noqa: PT012  the error comes from inside
        writer.add(frame)
        assert path.read_bytes() == b"what was there"
        raise error
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", VIDEOS + IMAGES)
def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (8 if suffix in VIDEOS else 1, 96, 96, 3), dtype=np.uint8)
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"what was there")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limit[1]))  # no file may grow beyond 8000 bytes
        with pytest.raises(DiskError, match="cannot be written: file too large"):
            write(Clip(noise, 24), path, crf=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_closed_folder_is_an_error_of_the_machine(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DiskError, match="change the permissions"):
        clip_for(".mp4").save(tmp_path / "out.mp4")


def test_a_link_stays_a_link_and_permissions_are_the_usual_ones(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "store" / "real.png")
    old = os.umask(0o027)
    try:
        clip_for(".png").save(tmp_path / "link.png")
    finally:
        os.umask(old)
    assert (tmp_path / "link.png").is_symlink()
    assert stat.S_IMODE((tmp_path / "store" / "real.png").stat().st_mode) == 0o640


@pytest.mark.parametrize("suffix", VIDEOS + IMAGES)
def test_the_same_clip_is_the_same_bytes_at_once_or_frame_by_frame(tmp_path, suffix):
    recipe = None if suffix in SIGNED else RECIPE  # no two signatures are the same
    clip = clip_for(suffix, recipe=recipe)
    once = write(clip, tmp_path / f"once{suffix}").read_bytes()
    for _ in range(3):
        stream(tmp_path / f"stream{suffix}", clip.frames, recipe)
        assert (tmp_path / f"stream{suffix}").read_bytes() == once


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("out.xyz", {}, r"end it in \.mp4"),
        ("out", {}, r"end it in \.mp4"),
        ("out.png", {"num_frames": 2}, r"image of one frame, not 2: use \.mp4"),
        ("out.mp4", {"num_frames": 10**9}, "1000000000 frames: use 1 to 100000"),
        ("out.gif", {"fps": 60}, "60 frames a second, a gif at most 50"),
        ("out.mp4", {"size": (0, 32)}, "0x32"),
        ("out.mp4", {"size": (20000, 8)}, "20000x8"),
        ("out.mp4", {"size": (8000, 8000)}, "8000x8000"),
        ("none/out.mp4", {}, "folder does not exist: create it"),
        ("folder.mp4", {}, "is a folder"),
    ],
)
def test_what_cannot_be_written_is_known_before_the_clip_is_made(tmp_path, name, options, says):
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(MediaError, match=says):
        check_output(tmp_path / name, **options)


def test_a_video_is_no_image(tmp_path):
    with pytest.raises(MediaError, match=r"\.png is an image of one frame, not 12"):
        Clip(scene(12), 24).save(tmp_path / "out.png")
    with pytest.raises(MediaError, match="not 2"):
        stream(tmp_path / "out.png", scene(2))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("frame", [scene(1, 32, 48)[0], scene(1)[0].astype(np.float32), scene(1), [[0]]])
def test_a_wrong_frame_is_refused_by_its_number(tmp_path, frame):
    with pytest.raises(InputError, match="frame 1 is"):
        stream(tmp_path / "out.mp4", [scene(1)[0], frame])
    assert os.listdir(tmp_path) == []


def test_no_frame_at_all_is_no_file(tmp_path):
    with pytest.raises(InputError, match="at least one"), Writer(tmp_path / "out.mp4", (48, 32), 24):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("recipe", [{"loss": float("nan")}, {"weights": np.zeros(3)}, {("a",): 1}])
def test_a_recipe_that_is_not_json_is_refused_before_the_first_frame(tmp_path, recipe):
    with pytest.raises(InputError, match="cannot be written as JSON"):
        Writer(tmp_path / "out.mp4", (48, 32), 24, recipe=recipe)


@pytest.mark.parametrize("suffix", [*VIDEOS, ".png"])
def test_a_recipe_may_be_long(tmp_path, suffix):
    recipe = {"cards": ["x" * 1000] * 300}
    assert read_recipe(clip_for(suffix, recipe=recipe).save(tmp_path / f"out{suffix}")) == recipe


def test_a_recipe_too_long_for_a_jpg_names_the_format_that_takes_it(tmp_path):
    with pytest.raises(MediaError, match=r"use \.png"):
        clip_for(".jpg", recipe={"cards": ["x" * 1000] * 300}).save(tmp_path / "out.jpg")
    assert os.listdir(tmp_path) == []


def test_files_of_others_have_no_recipe(tmp_path):
    assert read_recipe(encode(tmp_path / "a.mp4", scene(3))) is None
    Image.fromarray(scene(1)[0]).save(tmp_path / "a.png")
    assert read_recipe(tmp_path / "a.png") is None


def test_the_crop_of_an_odd_size_does_not_follow_a_note_that_does_not_fit(tmp_path):
    # Another program may scale the video and keep our comment.
    path = clip_for(".mp4", (47, 31)).save(tmp_path / "odd.mp4")
    with av.open(str(path)) as source:
        comment = source.metadata["comment"]
    with av.open(str(tmp_path / "scaled.mp4"), "w") as container:
        container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(1, 96, 64)[0])))
        container.mux(stream.encode(None))
    assert probe(tmp_path / "scaled.mp4").size == (96, 64)


@pytest.mark.parametrize("crf", [-1, 52])
def test_quality_out_of_range_is_refused(tmp_path, crf):
    with pytest.raises(InputError, match="crf"):
        clip_for(".mp4").save(tmp_path / "out.mp4", crf=crf)


@pytest.mark.parametrize("suffix", VIDEOS + IMAGES)
def test_what_was_dreamed_is_marked_in_every_format_and_signed_where_it_can_be(tmp_path, suffix):
    path = clip_for(suffix, recipe=RECIPE).save(tmp_path / f"out{suffix}")
    mark = source_type(RECIPE)
    assert mark.encode() in path.read_bytes()
    with open(path, "rb") as file:
        statement = check(file, "out")
    assert (statement is not None) == (suffix in SIGNED)
    if statement:
        assert (statement.known, statement.source) == ("own", ("trainedAlgorithmicMedia",))
    if suffix in IMAGES:
        with Image.open(path) as image:
            xmp = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
        assert mark in (xmp if isinstance(xmp, str) else xmp.decode())


@pytest.mark.parametrize("suffix", VIDEOS + IMAGES)
def test_the_field_of_the_chinese_standard_is_where_each_format_has_room_for_a_name(tmp_path, suffix, monkeypatch):
    monkeypatch.setenv("PATCHWORLD_PRODUCER", 'an "operator" & co')
    path = clip_for(suffix, recipe=RECIPE).save(tmp_path / f"out{suffix}")
    expected = aigc(RECIPE)
    assert (expected["Label"], expected["ContentProducer"], len(expected["ProduceID"])) == (
        "1",
        'an "operator" & co',
        32,
    )
    with open_source(path) as source:
        assert source.note.aigc == expected
    if suffix in IMAGES:
        with Image.open(path) as image:
            xmp = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
        tree = ElementTree.fromstring(xmp)
        found = next(tree.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"))
        assert json.loads(found.attrib["{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC"]) == expected
    elif suffix != ".gif":  # which has comments without names
        with av.open(path) as container:
            assert json.loads(container.metadata["AIGC"]) == {"AIGC": expected}
    assert aigc({**RECIPE, "seed": 99})["ProduceID"] != expected["ProduceID"]


def test_what_was_not_dreamed_is_neither_marked_nor_signed(tmp_path):
    path = clip_for(".mp4").save(tmp_path / "out.mp4")
    with open(path, "rb") as file:
        assert check(file, "out") is None
    assert b"digitalSourceType" not in path.read_bytes()
    assert b"AIGC" not in path.read_bytes()


def test_signing_changes_no_frame(tmp_path):
    plain, signed = (clip_for(".mp4", recipe=recipe) for recipe in (None, RECIPE))
    frames = [read(clip.save(tmp_path / "out.mp4")).frames for clip in (plain, signed)]
    assert np.array_equal(*frames)


def test_a_label_that_the_recipe_asks_for_is_in_every_frame(tmp_path):
    plain = clip_for(".mkv", (96, 64))
    back = read(Clip(plain.frames, 24, {**RECIPE, "label": True}).save(tmp_path / "out.mkv"))
    assert np.array_equal(back.frames, np.stack([labelled(frame) for frame in plain.frames]))
    again = read(back.save(tmp_path / "again.mkv"))
    assert np.array_equal(again.frames, back.frames)


def test_ctrl_c_while_a_file_is_signed_leaves_what_was_there(tmp_path, monkeypatch):
    from patchworld.provenance import manifest

    def slow(*_):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)

    (tmp_path / "out.mp4").write_text("before")
    monkeypatch.setattr(manifest, "_sign", slow)
    with pytest.raises(KeyboardInterrupt):
        clip_for(".mp4", recipe=RECIPE).save(tmp_path / "out.mp4")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_a_disk_that_is_full_when_a_file_is_signed_leaves_what_was_there(tmp_path, suffix):
    clip = clip_for(suffix, recipe=RECIPE)
    size = write(Clip(clip.frames, 24, None), tmp_path / f"plain{suffix}").stat().st_size
    (tmp_path / f"plain{suffix}").unlink()
    with no_file_above(size + 2000), pytest.raises(DiskError, match="cannot be written: file too large"):
        clip.save(tmp_path / f"out{suffix}")
    assert os.listdir(tmp_path) == []


def test_a_key_that_cannot_be_used_is_told_before_the_first_frame(tmp_path):
    key = signing_folder() / "key.pem"
    os.chmod(key, 0o644)
    try:
        with pytest.raises(RunError, match="may be read by others, mode 644: run chmod 600"):
            Writer(tmp_path / "out.mp4", (48, 32), 24, recipe=RECIPE)
        Writer(tmp_path / "out.webm", (48, 32), 24, recipe=RECIPE)
    finally:
        os.chmod(key, 0o600)
