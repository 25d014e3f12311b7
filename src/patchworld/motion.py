"""What moves is not dreamed again: estimates of a clip are carried along with its motion, from frame to frame.

`recall` mixes estimates of one place, which helps where the camera stands still. Under a moving camera a place shows
something else each time. So a transformer also says how what it sees moves, in latent voxels a latent frame, and how
far to trust what is carried there. The carrying itself is geometry: the estimates become pixels by the autoencoder's
matrix, are moved, and become latents again (motion compensation, as in every video codec; motion said by a network and
learned from how well frames predict their neighbours: Jaderberg et al. 2015, 1506.02025; Yu et al. 2016, 1608.05842).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from patchworld.patches import Pack, PatchGrid, patchify, unpatchify
from patchworld.shapes import Shape
from patchworld.vae import Autoencoder

SAYS = 4  # numbers a voxel: how it moves to the right and down, and how sure it is of itself beside earlier and later
OWN = 5.0  # by how much a voxel's own estimate begins ahead, as a logarithm
FAINTEST = 1e-3  # noise levels below it count as this one
ROUGH = 1e-3  # of the loss: a difference of pixels (of -1 to 1) so small, squared, is nothing


def follow(
    clean: Tensor, said: Tensor, pack: Pack, level: Tensor, autoencoder: Autoencoder, patch: PatchGrid
) -> Tensor:
    """Estimates (n, p) of the clean tokens of a pack, mixed with those that motion carries there; float32.

    clean   (n, p) estimates, each token's own
    said    (n, SAYS values of a token) what the transformer says about motion
    level   (n,) noise level of each token: the less noise it has, the surer it is of itself

    First every frame takes over from the one before it, which has taken over from those before; then from the one
    after it. A voxel keeps sigmoid(OWN - 2 log t + what it says) of itself. What is carried, and where to, is taken as
    it is: gradients go to a voxel's own estimate and to how sure it is; for motion see `motion_loss`. Clips of one
    latent frame, and those of which single tokens were dropped, stay as they are.
    """
    owns, saids, levels = (x.float().split(pack.lengths) for x in (clean, said, level))
    mixed = list(owns)
    with torch.autocast(clean.device.type, enabled=False):
        for shape, numbers in pack.whole.items():
            if shape.frames > 1:
                own, about, noise = ([x[number] for number in numbers] for x in (owns, saids, levels))
                for number, one in zip(numbers, _follow(shape, own, about, noise, autoencoder, patch), strict=True):
                    mixed[number] = one
    return torch.cat(mixed)


def motion_loss(clean: Tensor, said: Tensor, pack: Pack, autoencoder: Autoencoder, patch: PatchGrid) -> Tensor:
    """How badly the clean tokens (n, p) are predicted from the frames before them by the motion that is `said`.

    Mean over the voxels of clips of several frames of the root of the mean squared difference of pixels: a root,
    since what comes into view cannot be predicted and should not count for more than what moves.
    """
    losses = []
    parts = [x.float().split(pack.lengths) for x in (clean, said)]
    for shape, numbers in pack.whole.items():
        if shape.frames > 1:
            latent, about = (_latent([part[number] for number in numbers], shape, patch) for part in parts)
            frames = _pixels(autoencoder, latent, last=1)[:, :, 0]  # of each block: its motion is one motion
            way = _way(about[:, 1:, :2], autoencoder.grid.space).flatten(0, 1)
            carried = _moved(frames[:, :-1].flatten(0, 1), way, torch.ones(1))[:, 0]
            wrong = (carried - frames[:, 1:].flatten(0, 1)).square().mean(1)
            losses.append((F.avg_pool2d(wrong, autoencoder.grid.space) + ROUGH).sqrt().flatten())
    return torch.cat(losses).mean() if losses else said.sum() * 0


def _follow(
    shape: Shape,
    clean: list[Tensor],
    said: list[Tensor],
    level: list[Tensor],
    autoencoder: Autoencoder,
    patch: PatchGrid,
) -> list[Tensor]:
    """`follow` for clips of one shape, of several frames."""
    latent, about = _latent(clean, shape, patch), _latent(said, shape, patch)  # (b, f, c, h, w), (b, f, SAYS, h, w)
    noise = _latent([one[:, None].expand(-1, patch.num_values(1)) for one in level], shape, patch)
    sure = torch.sigmoid(OWN - 2 * noise.clamp(min=FAINTEST).log() + about[:, :, 2:])  # (b, f, 2, h, w)
    alone = torch.zeros(sure.shape[1], 2, 1, 1, dtype=torch.bool, device=sure.device)
    alone[0, 0] = alone[-1, 1] = True  # nothing comes before the first frame, nothing after the last one
    sure = sure.masked_fill(alone, 1.0)
    before, after = _carried(latent.detach(), about[:, :, :2].detach(), sure.detach(), autoencoder)
    mixed = torch.lerp(after, torch.lerp(before, latent, sure[:, :, :1]), sure[:, :, 1:])
    change = (mixed - latent).transpose(1, 2)  # (b, c, f, h, w)
    return [own + patchify(one, patch) for own, one in zip(clean, change, strict=True)]


@torch.no_grad()
def _carried(latent: Tensor, move: Tensor, sure: Tensor, autoencoder: Autoencoder) -> tuple[Tensor, Tensor]:
    """What comes to each voxel of latents (b, f, c, h, w) from the frames before it, then from those after it.

    A voxel is as sure for all of its pixels, and latents are linear in pixels: so pixels are mixed only to be carried
    on, and what they become is mixed as latents, with few numbers to keep for the way back.
    """
    whole = sure.repeat_interleave(autoencoder.grid.space, 3).repeat_interleave(autoencoder.grid.space, 4)
    frames = _pixels(autoencoder, latent)  # (b, f, t, 3, H, W)
    way = _way(move, autoencoder.grid.space)  # (b, f, 2, H, W)
    since = _since(autoencoder)
    until = since - 1 - since[0]  # of the time from a frame of a block to the first one after it, which it is before
    own = _again(autoencoder, latent)
    end = frames.shape[1] - 1
    before, after = [own[:, 0]], [own[:, end]]  # nothing comes to those

    first, last = list(frames[:, :, 0].unbind(1)), frames[:, 0, -1]  # of each block: others are not carried on
    for i in range(1, end + 1):
        came = _moved(last, way[:, i], since)
        before.append(autoencoder.linear_latent(came, latent.shape[2]))
        first[i] = torch.lerp(came[:, 0], first[i], whole[:, i, :1])
        last = torch.lerp(came[:, -1], frames[:, i, -1], whole[:, i, :1])
    for i in reversed(range(end)):  # the first block of a clip is one frame, which stands for all of them
        came = _moved(first[i + 1], way[:, i], until if i else until[-1:].expand_as(until))
        after.append(autoencoder.linear_latent(came, latent.shape[2]))
        first[i] = torch.lerp(came[:, 0], first[i], whole[:, i, 1:])
    change = latent - own
    return change + torch.stack(before, 1), change + torch.stack(after[::-1], 1)


def _latent(tokens: list[Tensor], shape: Shape, patch: PatchGrid) -> Tensor:
    """Tokens of clips of one shape as latent frames (b, f, values of a voxel, h, w)."""
    return torch.stack([unpatchify(one, shape, patch).transpose(0, 1) for one in tokens])


def _pixels(autoencoder: Autoencoder, latent: Tensor, **which: int) -> Tensor:
    """What the matrix makes of latents (b, f, c, h, w): (b, f, t, 3, H, W). For `which` see `linear_pixels`."""
    return autoencoder.linear_pixels(latent.flatten(0, 1), **which).unflatten(0, latent.shape[:2])


def _again(autoencoder: Autoencoder, latent: Tensor) -> Tensor:
    """What the matrices make of latents (b, f, c, h, w) by way of their pixels: nearly the same."""
    channels = latent.shape[2]
    through = autoencoder.to_latent.weight[:channels] @ autoencoder.to_pixels.weight[:, :channels]
    return torch.einsum("dc,bfchw->bfdhw", through.to(latent.dtype), latent)


def _since(autoencoder: Autoencoder) -> Tensor:
    """How long each frame of a block comes after the last one before it, in latent frames: (t,), 1 in the end."""
    return torch.arange(1, autoencoder.grid.time + 1) / autoencoder.grid.time


def _way(move: Tensor, space: int) -> Tensor:
    """Motion of voxels in voxels (b, f, 2, h, w) as that of pixels, in pictures 2 wide and 2 high: (b, f, 2, H, W)."""
    unit = move.flatten(0, 1) * (2 / move.new_tensor([move.shape[4], move.shape[3]]))[:, None, None]
    return F.interpolate(unit, scale_factor=space, mode="bilinear", align_corners=False).unflatten(0, move.shape[:2])


def _moved(frame: Tensor, way: Tensor, passed: Tensor) -> Tensor:
    """One frame (b, 3, H, W) before a block, at each of the times (t,) that have passed since: (b, t, 3, H, W).

    `way` (b, 2, H, W) is that of what is seen in the block, not in the frame: see `_way`.
    """
    y, x = ((torch.arange(side, device=way.device) + 0.5) * 2 / side - 1 for side in frame.shape[2:])
    here = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    # A plane of x and one of y, not pairs, which take much longer; all times one below the other, as one picture.
    places = here[:, None] - way[:, :, None] * passed.to(way.device)[:, None, None]  # (b, 2, t, H, W)
    where = places.flatten(2, 3).movedim(1, -1)
    seen = F.grid_sample(frame, where, mode="bilinear", padding_mode="border", align_corners=False)
    return seen.unflatten(2, (len(passed), -1)).transpose(1, 2)
