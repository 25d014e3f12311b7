"""Which tokens of a training clip are given, drawn as they will be asked for in use, and which are dropped."""

import torch
from torch import Tensor

from patchworld.shapes import Shape

# What is given and how often; the numbers sum to one.
DRAWS = {
    "nothing": 0.45,  # text to video
    "first frame": 0.15,  # image to video
    "beginning": 0.15,  # extend forward, simulate, the later windows of long videos
    "end": 0.08,  # extend backward
    "both ends": 0.07,  # connect, loop
    "some frames": 0.05,  # keyframes, storyboard
    "a rectangle": 0.05,  # inpaint, outpaint: inside or outside is given
}
LATER = 0.5  # part of the clips of which the first two token frames are given that begin with the second one
SOFT = 0.3  # part of the conditioned clips whose given tokens are slightly noisy, against drift in long videos
SOFTEST = 0.3  # the highest noise level of a given token
WHOLE = 0.25  # part of the clips of which nothing is dropped: a model that is used dreams whole clips


def draw_cap(shape: Shape, generator: torch.Generator) -> Tensor:
    """The highest noise level of each token of a clip, (n,): 1 where it is dreamed, lower where it is given.

    At least one token of a clip is always dreamed.
    """
    frames, height, width = shape
    kind = list(DRAWS)[int(torch.multinomial(torch.tensor(list(DRAWS.values())), 1, generator=generator))]
    given = torch.zeros(frames, height, width, dtype=torch.bool)

    def some(most: int) -> int:
        return int(torch.randint(1, max(most, 1) + 1, (), generator=generator))

    if kind == "a rectangle":
        top, left = some(height) - 1, some(width) - 1
        bottom, right = top + some(height - top), left + some(width - left)
        given[:, top:bottom, left:right] = True
        if int(torch.randint(2, (), generator=generator)):
            given = ~given
    elif kind != "nothing" and frames > 1:
        if kind in ("first frame", "both ends"):
            given[0] = True
        if kind in ("end", "both ends"):
            given[-some(frames // 2) :] = True
        if kind == "beginning":
            given[: some(frames - 1)] = True
        if kind == "some frames":
            given[torch.rand(frames, generator=generator) < 0.3] = True
    if given.all():
        given[:] = False
    soft = float(torch.rand((), generator=generator)) < SOFT
    level = SOFTEST * float(torch.rand((), generator=generator)) if soft else 0.0
    return torch.where(given, level, 1.0).flatten()


def draw_kept(cap: Tensor, shape: Shape, drop: float, generator: torch.Generator) -> Tensor:
    """Which tokens of a clip are learned from, (n,) bool: all that are given, and of the dreamed ones a random part.

    The first token frame of a video stands for fewer pixel frames than the others. Later windows of a long video have
    no such frame, so LATER of the clips that go on from what is given lose theirs.

    Of the d dreamed tokens of each latent frame, floor(drop * d) are left out; of WHOLE of the clips, none. Equally
    many a frame, so that all of the clip is seen alike (for packs: Dehghani et al. 2023, 2307.06304, section 3.3; for
    diffusion: Zheng et al. 2023, "MaskDiT", 2306.09305).
    """
    dreamed = (cap == 1).view(shape.frames, -1)
    here = torch.ones_like(dreamed)
    if shape.frames > 2 and not dreamed[:2].any() and float(torch.rand((), generator=generator)) < LATER:
        here[0] = False
    if drop == 0 or float(torch.rand((), generator=generator)) < WHOLE:
        return here.flatten()
    score = torch.where(dreamed, torch.rand(dreamed.shape, generator=generator), 2.0)
    place = score.argsort(dim=1).argsort(dim=1)  # of each token among those of its frame; given ones come last
    return (here & (place >= (drop * dreamed.sum(1, keepdim=True)).floor())).flatten()
