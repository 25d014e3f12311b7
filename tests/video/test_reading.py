import itertools
import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video.making import brightness, corners, encode, greys, scene

from patchworld.errors import InputError, MediaError
from patchworld.video import Clip, frames, probe, psnr, read, reading
from patchworld.video.reading import on_display
from patchworld.video.source import Picture


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        (".mp4", "libx264", "yuv420p"),
        (".mov", "libx264", "yuv444p"),
        (".mp4", "libx265", "yuv420p10le"),
        (".webm", "libvpx-vp9", "yuv420p"),
        (".webm", "libvpx", "yuv420p"),
        (".mkv", "ffv1", "bgr0"),
        (".avi", "mjpeg", "yuvj444p"),
        (".mov", "prores_ks", "yuv422p10le"),
    ],
)
def test_every_frame_of_every_codec_comes_once_and_in_order(tmp_path, suffix, codec, pixels):
    options = {"libx264": {"crf": "4"}, "libx265": {"x265-params": "log-level=none:crf=8"}}.get(codec, {"b": "4M"})
    original = scene(20, 64, 48)
    path = encode(tmp_path / f"video{suffix}", original, fps=12, codec=codec, pixels=pixels, options=options)
    clip = read(path)
    assert clip.frames.shape == original.shape
    assert clip.fps == 12
    own = [psnr(clip.frames[[k]], original[[k]]) for k in range(20)]
    other = [psnr(clip.frames[[k]], original[[k + 1]]) for k in range(19)]
    assert min(own) > 27
    assert all(a > b for a, b in zip(own, other, strict=False))


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mkv"])
@pytest.mark.parametrize("fps", [24, 30000 / 1001, 7, 8.3, 60])
def test_any_rate_comes_back_exactly_with_no_frame_doubled_or_dropped(tmp_path, suffix, fps):
    codec, options = ("libvpx-vp9", {"b": "2M"}) if suffix == ".webm" else ("libx264", {"crf": "4"})
    levels = list(range(20, 220, 8))
    clip = read(encode(tmp_path / f"v{suffix}", greys(levels), fps=fps, codec=codec, options=options))
    assert clip.fps == pytest.approx(fps, rel=1e-9)
    assert brightness(clip) == pytest.approx(levels, abs=2)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_a_phone_video_rotated_by_90_degrees_is_read_upright(tmp_path, degrees, mirrored):
    # The phone writes the sensor's picture and how far a player has to turn it, counterclockwise, and then mirror it.
    frame = corners()
    path = encode(tmp_path / "phone.mp4", np.stack([frame] * 3), rotation=degrees, mirrored=mirrored)
    expected = np.rot90(frame, degrees // 90)
    expected = expected[:, ::-1] if mirrored else expected
    clip = read(path)
    assert probe(path).size == clip.size == (expected.shape[1], expected.shape[0])
    assert psnr(clip.frames[:1], np.ascontiguousarray(expected)[None]) > 20


def test_variable_frame_rate_is_resampled_by_timestamps(tmp_path):
    times = [0.0, 0.1, 0.5, 0.55, 0.6, 1.0]
    for name in ("vfr.mp4", "vfr.mkv"):
        path = encode(tmp_path / name, greys([20, 60, 100, 140, 180, 220]), times=times)
        clip = read(path, fps=10, end=1.05)
        assert brightness(clip) == pytest.approx([20, 60, 60, 60, 60, 100, 180, 180, 180, 180, 220], abs=2)
        assert clip.fps == 10
        assert clip.num_frames == 11


def test_without_fps_a_variable_rate_becomes_its_average(tmp_path):
    times = [0.0, 0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2]
    path = encode(tmp_path / "vfr.mp4", greys(range(20, 220, 20)), times=times, options={"crf": "4", "bf": "0"})
    clip = read(path)
    assert clip.fps == pytest.approx(10 / 1.3, rel=0.01)
    assert clip.duration == pytest.approx(1.3, abs=0.15)


def test_a_video_trimmed_on_the_phone_begins_where_it_was_cut(tmp_path):
    # Trimming keeps all frames in the file and hides the first ones by an edit list.
    encode(tmp_path / "all.mp4", greys(range(20, 220, 10)), fps=10)
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    with av.open(str(tmp_path / "all.mp4")) as source, av.open(str(tmp_path / "v.mp4"), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts -= round(0.7 / packet.time_base)
                packet.dts -= round(0.7 / packet.time_base)
                packet.stream = stream
                target.mux(packet)
    clip = read(tmp_path / "v.mp4")
    assert clip.fps == 10
    assert brightness(clip) == pytest.approx(list(range(90, 220, 10)), abs=2)
    assert brightness(read(tmp_path / "v.mp4", start=0.5, end=0.8)) == pytest.approx([140, 150, 160], abs=2)


def test_the_rule_of_sampling_is_the_last_picture_that_has_begun():
    pictures = [Picture(t, e, lambda: np.zeros(0)) for t, e in [(0, 0.1), (0.1, 0.1), (0.1, 0.35), (0.35, 0.5)]]
    shown = [pictures.index(p) for p in on_display(iter(pictures), 0.05, None, 10, rounding=0.0)]
    assert shown == [0, 2, 2, 3, 3]  # at 0.05, 0.15, 0.25, 0.35, 0.45: the empty one is never seen


@pytest.mark.parametrize("fps", [5, 20, 25])
def test_another_rate_keeps_the_speed(tmp_path, fps):
    clip = read(encode(tmp_path / "v.mp4", greys(range(20, 220, 20)), fps=10), fps=fps)
    assert clip.duration == pytest.approx(1.0, abs=1 / fps)
    assert brightness(clip) == pytest.approx([20 + 20 * int(k * 10 / fps + 1e-9) for k in range(fps)], abs=2)


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        (".mp4", "libx264", {"crf": "8", "x264-params": "keyint=12:bframes=3:open-gop=1"}),
        (".mp4", "libx264", {"crf": "8", "x264-params": "keyint=12:intra-refresh=1"}),
        (".mkv", "libx264", {"crf": "8", "x264-params": "keyint=12:bframes=3"}),
        (".webm", "libvpx-vp9", {"b": "2M", "g": "12", "lag-in-frames": "8", "auto-alt-ref": "1"}),
        (".avi", "libx264", {"crf": "8", "x264-params": "keyint=12:bframes=3"}),
        (".gif", "gif", {}),
    ],
)
def test_a_part_is_the_slice_of_the_whole(tmp_path, suffix, codec, options):
    pixels = "rgb8" if codec == "gif" else "yuv420p"
    path = encode(tmp_path / f"v{suffix}", scene(60), fps=20, codec=codec, pixels=pixels, options=options)
    whole = read(path)
    parts = [(0, 0.3), (0.05, 0.4), (0.55, 0.7), (0.6, 0.65), (1.15, 1.3), (1.5, 2.0), (2.9, 3.5), (2.95, None)]
    for start, end in parts:
        part = read(path, start=start, end=end)
        assert np.array_equal(part.frames, whole.seconds(start, end).frames), (start, end)


def test_reading_a_part_does_not_decode_the_whole_file(tmp_path):
    # Key frames every second. The second second is damaged: whole reading fails there, a part behind it does not.
    original = scene(40)
    options = {"crf": "8", "x264-params": "keyint=10:min-keyint=10:scenecut=0"}
    path = encode(tmp_path / "v.mp4", original, fps=10, options=options)
    whole = read(path)
    with av.open(str(path)) as container:
        packets = [(float(p.pts * p.time_base), p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for seconds, position, size in packets:
        if 1.0 <= seconds < 2.0:
            data[position + size // 4 : position + size] = bytes(size - size // 4)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="damaged"):
        read(path)
    assert np.array_equal(read(path, start=2.5, end=3.5).frames, whole.seconds(2.5, 3.5).frames)
    assert np.array_equal(read(path, end=0.9).frames, whole.seconds(0, 0.9).frames)


def test_frames_come_one_by_one_and_equal_the_clip(tmp_path):
    path = encode(tmp_path / "v.mp4", scene(15), fps=10)
    stream = frames(path, fps=20)
    array = np.stack(list(stream))
    assert np.array_equal(array, read(path, fps=20).frames)
    first, second = itertools.islice(frames(path, fps=20), 2)
    first[:] = 0
    assert np.array_equal(second, array[1])  # a repeated frame is the caller's own


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not say which files are open")
def test_dropping_the_iterator_closes_the_file(tmp_path):
    path = encode(tmp_path / "v.mp4", scene(15), fps=10)
    stream = frames(path)
    next(stream)
    assert is_open(path)
    stream.close()
    assert not is_open(path)


def is_open(path):
    """Whether this process holds the file open. Needs /proc, as on Linux."""
    return any(link.resolve() == path for link in Path("/proc/self/fd").iterdir() if link.exists())


def test_max_frames_are_the_first_ones(tmp_path):
    path = encode(tmp_path / "v.mp4", scene(15), fps=10)
    assert np.array_equal(read(path, max_frames=4).frames, read(path).frames[:4])


def test_sound_is_dropped_with_one_line_a_file(tmp_path, caplog):
    path = encode(tmp_path / "loud.mp4", scene(5), sound=True)
    with caplog.at_level(logging.WARNING):
        assert probe(path).has_audio
        assert caplog.messages == []
        assert read(path).num_frames == read(path).num_frames == 5
    assert caplog.messages == [f"{path}: the sound is left out: patchworld reads pictures only"]


def test_pixels_that_are_not_square_are_drawn_out(tmp_path):
    path = encode(tmp_path / "dv.mp4", scene(3, 48, 32), pixel_shape=Fraction(4, 3))
    assert read(path).size == probe(path).size == (64, 32)
    path = encode(tmp_path / "tall.mp4", scene(3, 48, 32), pixel_shape=Fraction(2, 3))
    assert read(path).size == (48, 48)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("v.webm", "libvpx-vp9", "yuva420p"), ("v.webm", "libvpx", "yuva420p"), ("v.mov", "qtrle", "argb")],
)
def test_transparency_is_flattened_onto_white(tmp_path, name, codec, pixels):
    options = {} if name == "v.mov" else {"b": "2M", "auto-alt-ref": "0"}
    rgba = np.zeros((4, 32, 48, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[:, :, 24:, 3] = 255  # the left half is clear, the right half red
    frame = read(encode(tmp_path / name, rgba, codec=codec, pixels=pixels, options=options)).frames[2]
    assert frame[16, 4].tolist() == pytest.approx([255, 255, 255], abs=4)
    assert frame[16, 44].tolist() == pytest.approx([200, 0, 0], abs=12)


def test_colours_follow_the_matrix_the_file_names(tmp_path):
    # The same colour coded with BT.601 and BT.709 is a different set of numbers and must come back as the same colour.
    frame = np.full((1, 32, 48, 3), (200, 60, 40), np.uint8)
    for code in (1, 5):  # BT.709, BT.601
        path = tmp_path / f"{code}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=10, options={"crf": "1"})
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
            stream.codec_context.colorspace = code
            picture = av.VideoFrame.from_ndarray(frame[0]).reformat(format="yuv420p", dst_colorspace=code)
            container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        assert read(path).frames[0, 16, 24].tolist() == pytest.approx([200, 60, 40], abs=3)


def test_a_size_that_changes_on_the_way_is_fitted_into_the_first(tmp_path):
    path = tmp_path / "call.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj444p"
        for number, (width, height) in enumerate([(48, 32), (48, 32), (24, 32)]):
            coder = av.CodecContext.create("mjpeg", "w")
            coder.width, coder.height, coder.pix_fmt, coder.time_base = width, height, "yuvj444p", Fraction(1, 10)
            picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), 200, np.uint8)).reformat(format="yuvj444p")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            for packet in [*coder.encode(picture), *coder.encode(None)]:
                packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 10)
                container.mux(packet)
    clip = read(path)
    assert clip.frames.shape == (3, 32, 48, 3)
    assert clip.frames[2, 16, [2, 24, 45], 0].tolist() == pytest.approx([0, 200, 0], abs=6)


def test_a_live_recording_without_duration_or_rate_is_measured(tmp_path):
    # What a browser's recorder leaves: a stream that was never told how long it would become.
    encode(tmp_path / "v.webm", greys(range(20, 220, 10)), fps=20, codec="libvpx-vp9", options={"b": "2M"})
    with av.open(str(tmp_path / "v.webm")) as source, open(tmp_path / "live.webm", "wb") as file:
        pipe = type("Pipe", (), {"write": lambda _, data: file.write(data)})()
        with av.open(pipe, "w", format="webm", options={"live": "1"}) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    target.mux(packet)
    info = probe(tmp_path / "live.webm")
    clip = read(tmp_path / "live.webm")
    assert info.duration == pytest.approx(1.0, abs=0.06)
    assert brightness(clip) == pytest.approx(list(range(20, 220, 10)), abs=3)
    assert brightness(read(tmp_path / "live.webm", start=0.5)) == pytest.approx(list(range(120, 220, 10)), abs=3)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6])
def test_damage_that_a_decoder_conceals_is_an_error_that_says_when(tmp_path, keep):
    path = encode(tmp_path / "v.mp4", scene(30, 96, 64), fps=10, options={"crf": "8"})
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        place = next((p.pos, p.size) for p in packets if p.pts * p.time_base == 1)
    data = bytearray(path.read_bytes())
    begin = place[0] + 8 + int(keep * (place[1] - 8))
    data[begin : place[0] + place[1]] = bytes(place[0] + place[1] - begin)
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"damaged at 1\.[0-9]+ s"):
        read(path)


def test_a_frame_that_vanishes_in_the_decoder_is_an_error(tmp_path):
    # A frame that no other leans on is relabelled as filler, which a decoder drops without a word.
    path = encode(tmp_path / "v.mp4", scene(30), fps=10, options={"crf": "8", "x264-params": "bframes=2:b-adapt=0"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [p.pos + 4 for p in container.demux(video=0) if p.size and 1 < p.pts * p.time_base < 2]
    slice_of_b_frame, filler = 0x01, 0x0C
    data[next(at for at in places if data[at] == slice_of_b_frame)] = filler
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"damaged at 1\.[0-9]+ s"):
        read(path)


def test_a_matroska_file_that_ends_before_its_time_is_an_error(tmp_path):
    path = encode(tmp_path / "v.webm", scene(30), fps=10, codec="libvpx-vp9", options={"b": "2M"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="damaged"):
        read(path)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        track = container.add_stream("aac", rate=48000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 48000
        container.mux(track.encode(silence))
        container.mux(track.encode(None))
    with pytest.raises(MediaError, match="holds no video"):
        read(tmp_path / "song.mp4")


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.mp4"
    picture = av.VideoFrame(8192, 4096, "yuv420p")
    for plane in picture.planes:
        plane.update(bytes(plane.buffer_size))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"preset": "ultrafast", "crf": "51"})
        stream.width, stream.height, stream.pix_fmt = 8192, 4096, "yuv420p"
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="8192x4096"):
        read(path)


def test_more_frames_than_a_clip_may_have_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = encode(tmp_path / "v.mp4", scene(30), fps=10)
    monkeypatch.setattr(reading, "MAX_FRAMES", 20)
    with pytest.raises(MediaError, match="30 frames"):
        read(path)
    assert read(path, end=1.5).num_frames == 15
    assert sum(1 for _ in frames(path)) == 30  # one by one there is no limit


def test_a_clip_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    path = encode(tmp_path / "v.mp4", scene(30), fps=10)
    monkeypatch.setattr(reading.os, "sysconf", lambda name: 300)
    with pytest.raises(MediaError, match=r"start and end"):
        read(path)


def test_nothing_to_show_names_the_length(tmp_path):
    path = encode(tmp_path / "v.mp4", scene(10), fps=10)
    with pytest.raises(MediaError, match=r"start=5 s: it is 1\.00 s long"):
        read(path, start=5)
    assert read(path, start=0.5, end=99).num_frames == 5


@pytest.mark.parametrize(
    "options",
    [
        {"start": -1},
        {"start": 2, "end": 1},
        {"fps": 0},
        {"fps": float("inf")},
        {"max_frames": 0},
        {"end": float("nan")},
    ],
)
def test_options_out_of_range_are_refused(tmp_path, options):
    path = encode(tmp_path / "v.mp4", scene(3))
    with pytest.raises(InputError, match="out of range"):
        read(path, **options)


def test_a_picture_every_minute_is_read_at_the_slowest_rate(tmp_path):
    path = encode(tmp_path / "lapse.mp4", greys([50, 100, 150]), times=[0, 60, 120], options={"crf": "4", "bf": "0"})
    assert read(path, end=110).fps == pytest.approx(0.1)
    assert brightness(read(path, end=110))[::6] == pytest.approx([50, 100], abs=2)


def test_a_part_has_no_recipe_and_the_whole_has(tmp_path):
    path = Clip(scene(10), 10, {"seed": 7}).save(tmp_path / "v.mp4")
    assert read(path).recipe == {"seed": 7}
    assert read(path, end=0.5).recipe is None
    assert read(path, fps=5).recipe is None
