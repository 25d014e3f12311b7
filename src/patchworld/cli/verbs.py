"""patchworld animate, extend, loop, connect, blend, retake, inpaint, outpaint, restyle, refine: from what is given."""

import argparse
from pathlib import Path
from typing import Any

from patchworld.cli.dreaming import add_dreaming, add_fitting, dream, prompt_of, read_input
from patchworld.cli.parser import number, pair, size

SECONDS = "seconds to dream; default 2"


def add(commands: Any) -> None:
    animate = add_dreaming(commands, "animate", "set an image in motion", "example: patchworld animate a.png -o a.mp4")
    animate.add_argument("image", type=Path, metavar="IMAGE", help="the first frame")
    _add_prompt(animate)
    animate.add_argument("--last", type=Path, metavar="IMAGE", help="the last frame")
    animate.add_argument(
        "--key", nargs=2, action="append", default=[], metavar=("SECONDS", "IMAGE"), help="a frame on the way"
    )
    animate.add_argument("--frames", type=int, default=17, metavar="N", help="number of frames; default 17")
    animate.add_argument("--fps", type=float, default=8.0, metavar="F", help="frames a second; default 8")
    add_fitting(animate)
    animate.set_defaults(run=_animate)

    extend = _given(commands, "extend", "what comes after a video, or before it", "extend ball.mp4 -o longer.mp4")
    extend.add_argument("--seconds", type=float, default=2.0, metavar="S", help=SECONDS)
    extend.add_argument("--backward", action="store_true", help="before the video instead of after it")
    extend.set_defaults(run=_extend)

    loop = add_dreaming(
        commands, "loop", "a video without an end", 'example: patchworld loop "a red ball on grass" -o loop.mp4'
    )
    _add_prompt(loop)
    loop.add_argument("--video", type=Path, metavar="FILE", help="lead the end of this video back to its start")
    loop.add_argument("--seconds", type=float, default=4.0, metavar="S", help="seconds to dream; default 4")
    loop.add_argument(
        "--fps", type=float, default=8.0, metavar="F", help="frames a second, of words or an image; default 8"
    )
    add_fitting(loop)
    loop.set_defaults(run=_loop)

    connect = _given(commands, "connect", "a way from one video to another", "connect a.mp4 b.mp4 -o c.mp4", "a", "b")
    connect.add_argument("--seconds", type=float, default=2.0, metavar="S", help=SECONDS)
    connect.set_defaults(run=_connect)

    blend = _given(commands, "blend", "one video becomes another", "blend a.mp4 b.mp4 -o c.mp4", "a", "b")
    blend.add_argument("--seconds", type=float, metavar="S", help="for how long; default the shorter one's duration")
    blend.add_argument(
        "--curve",
        type=_curve,
        default=((0.0, 0.0), (1.0, 1.0)),
        metavar="T:SHARE,...",
        help="share of the second video over time, both 0 to 1; default 0:0,1:1",
    )
    blend.add_argument("--strength", type=float, default=0.5, metavar="X", help="how freely, 0 to 1; default 0.5")
    blend.set_defaults(run=_blend)

    retake = _given(commands, "retake", "dream a span of time anew", "retake a.mp4 --from 1 --to 2 -o b.mp4")
    retake.add_argument("--from", dest="start", type=float, required=True, metavar="S", help="where it begins")
    retake.add_argument("--to", dest="end", type=float, required=True, metavar="S", help="where it ends")
    retake.set_defaults(run=_retake)

    inpaint = _given(commands, "inpaint", "dream part of the picture anew", "inpaint a.mp4 --mask m.png -o b.mp4")
    inpaint.add_argument("--mask", type=Path, required=True, metavar="FILE", help="picture or video, white to change")
    inpaint.set_defaults(run=_inpaint)

    outpaint = add_dreaming(
        commands, "outpaint", "see beyond the frame", "example: patchworld outpaint a.mp4 --size 128x64 -o b.mp4"
    )
    outpaint.add_argument("video", type=Path, metavar="VIDEO", help="any video or image")
    _add_prompt(outpaint)
    outpaint.add_argument("--size", type=size, required=True, metavar="WxH", help="of the larger picture")
    outpaint.add_argument(
        "--place", type=pair, default=(0.5, 0.5), metavar="X,Y", help="where the video lies; default 0.5,0.5"
    )
    outpaint.set_defaults(run=_outpaint)

    restyle = _given(commands, "restyle", "the same video by another prompt", 'restyle a.mp4 "on snow" -o b.mp4')
    restyle.add_argument("--strength", type=float, default=0.9, metavar="X", help="0 subtle to 1 full; default 0.9")
    restyle.set_defaults(run=_restyle)

    refine = _given(commands, "refine", "a draft made larger", "refine a.mp4 --size 128x128 -o b.mp4")
    refine.add_argument("--strength", type=float, default=0.4, metavar="X", help="0 subtle to 1 full; default 0.4")
    refine.set_defaults(run=_refine)


def _given(commands: Any, name: str, help: str, example: str, *videos: str) -> Any:
    """A command that takes videos and a prompt."""
    parser = add_dreaming(commands, name, help, f"example: patchworld {example}")
    for video in videos or ("video",):
        parser.add_argument(video, type=Path, metavar=video.upper(), help="any video or image")
    _add_prompt(parser)
    add_fitting(parser)
    return parser


def _add_prompt(parser: Any) -> None:
    parser.add_argument(
        "prompt", nargs="?", metavar="PROMPT", help="what to show; default what the file was made from, or nothing"
    )


def _animate(options: argparse.Namespace) -> str:
    from patchworld import verbs
    from patchworld.video import read

    image = read(options.image)
    canvas = verbs.animate(
        image,
        prompt_of(options, image),
        frames=options.frames,
        fps=options.fps,
        last=read(options.last) if options.last else None,
        keyframes=[(number(seconds, "--key"), read(path)) for seconds, path in options.key],
        size=options.size,
        fit=options.fit,
    )
    return dream(options, canvas)


def _extend(options: argparse.Namespace) -> str:
    from patchworld import verbs

    clip = read_input(options.video, options)
    return dream(
        options, verbs.extend(clip, prompt_of(options, clip), seconds=options.seconds, backward=options.backward)
    )


def _loop(options: argparse.Namespace) -> str:
    from patchworld import verbs

    if options.video:
        clip = read_input(options.video, options)
        return dream(options, verbs.loop(prompt_of(options, clip), clip=clip, seconds=options.seconds, fps=options.fps))
    size = options.size or (64, 64)
    return dream(options, verbs.loop(options.prompt or "", seconds=options.seconds, size=size, fps=options.fps))


def _connect(options: argparse.Namespace) -> str:
    from patchworld import verbs
    from patchworld.video import read

    a, b = read_input(options.a, options), read(options.b)
    return dream(options, verbs.connect(a, b, prompt_of(options, a, b), seconds=options.seconds, fit=options.fit))


def _blend(options: argparse.Namespace) -> str:
    from patchworld import verbs
    from patchworld.video import read

    a, b = read_input(options.a, options), read(options.b)
    how = {name: getattr(options, name) for name in ("seconds", "curve", "strength", "fit")}
    return dream(options, verbs.blend(a, b, prompt_of(options, a, b), **how))


def _retake(options: argparse.Namespace) -> str:
    from patchworld import verbs

    clip = read_input(options.video, options)
    return dream(options, verbs.retake(clip, prompt_of(options, clip), start=options.start, end=options.end))


def _inpaint(options: argparse.Namespace) -> str:
    from patchworld import verbs
    from patchworld.video import read

    clip, mask = read_input(options.video, options), read(options.mask)
    return dream(options, verbs.inpaint(clip, mask, prompt_of(options, clip)))


def _outpaint(options: argparse.Namespace) -> str:
    from patchworld import verbs
    from patchworld.video import read

    clip = read(options.video)
    return dream(options, verbs.outpaint(clip, prompt_of(options, clip), size=options.size, place=options.place))


def _restyle(options: argparse.Namespace) -> str:
    from patchworld import verbs

    clip = read_input(options.video, options)
    return dream(options, verbs.restyle(clip, prompt_of(options, clip), strength=options.strength))


def _refine(options: argparse.Namespace) -> str:
    from patchworld import verbs
    from patchworld.video import read

    clip = read(options.video)
    size = options.size or (2 * clip.size[0], 2 * clip.size[1])
    canvas = verbs.refine(clip, prompt_of(options, clip), size=size, strength=options.strength, fit=options.fit)
    return dream(options, canvas)


def _curve(text: str) -> tuple[tuple[float, float], ...]:
    return tuple(pair(point, ":") for point in text.split(","))
