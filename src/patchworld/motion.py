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
    latent frame, and those of which tokens were dropped, stay as they are.
    """
    if pack.kept is not None:
        return clean.float()
    parts = (x.float().split(pack.lengths) for x in (clean, said, level))
    clips = zip(pack.shapes, *parts, strict=True)
    return torch.cat(
        [
            _follow(shape, own, about, noise, autoencoder, patch) if shape.frames > 1 else own
            for shape, own, about, noise in clips
        ]
    )


def motion_loss(clean: Tensor, said: Tensor, pack: Pack, autoencoder: Autoencoder, patch: PatchGrid) -> Tensor:
    """How badly the clean tokens (n, p) are predicted from the frames before them by the motion that is `said`.

    Mean over the voxels of clips of several frames of the root of the mean squared difference of pixels: a root,
    since what comes into view cannot be predicted and should not count for more than what moves.
    """
    losses = []
    if pack.kept is None:
        for shape, tokens, about in zip(pack.shapes, clean.split(pack.lengths), said.split(pack.lengths), strict=True):
            if shape.frames > 1:
                latent, about = _latent(tokens.float(), shape, patch), _latent(about.float(), shape, patch)
                frames = autoencoder.linear_pixels(latent)
                carried = _moved(frames[:-1, -1], about[1:, :2], _since(autoencoder))
                wrong = (carried - frames[1:]).square().mean((1, 2))
                losses.append((F.avg_pool2d(wrong, autoencoder.grid.space) + ROUGH).sqrt().flatten())
    return torch.cat(losses).mean() if losses else said.sum() * 0


def _follow(
    shape: Shape, clean: Tensor, said: Tensor, level: Tensor, autoencoder: Autoencoder, patch: PatchGrid
) -> Tensor:
    """`follow` for one clip of several frames."""
    latent, about = _latent(clean, shape, patch), _latent(said, shape, patch)  # (f, c, h, w), (f, SAYS, h, w)
    noise = _latent(level[:, None].expand(-1, patch.num_values(1)), shape, patch)
    sure = torch.sigmoid(OWN - 2 * noise.clamp(min=FAINTEST).log() + about[:, 2:])  # (f, 2, h, w)
    sure = sure.repeat_interleave(autoencoder.grid.space, 2).repeat_interleave(autoencoder.grid.space, 3)
    frames = autoencoder.linear_pixels(latent)  # (f, t, 3, H, W)
    move, since = about[:, :2].detach(), _since(autoencoder)
    until = since - 1 - since[0]  # of the time from a frame of a block to the first one after it, which it is before
    mixed = list(frames)
    for i in range(1, len(mixed)):
        carried = _moved(mixed[i - 1][None, -1].detach(), move[i : i + 1], since)[0]
        mixed[i] = torch.lerp(carried, mixed[i], sure[i, :1])
    for i in reversed(range(len(mixed) - 1)):  # the first block of a clip is one frame, which stands for all of them
        back = until if i else until[-1:].expand_as(until)
        carried = _moved(mixed[i + 1][None, 0].detach(), move[i : i + 1], back)[0]
        mixed[i] = torch.lerp(carried, mixed[i], sure[i, 1:])
    change = autoencoder.linear_latent(torch.stack(mixed) - frames, latent.shape[1])
    return clean + patchify(change.float().transpose(0, 1), patch)


def _latent(tokens: Tensor, shape: Shape, patch: PatchGrid) -> Tensor:
    """Tokens of one clip as latent frames (f, values of a voxel, h, w)."""
    return unpatchify(tokens, shape, patch).transpose(0, 1)


def _since(autoencoder: Autoencoder) -> Tensor:
    """How long each frame of a block comes after the last one before it, in latent frames: (t,), 1 in the end."""
    return torch.arange(1, autoencoder.grid.time + 1) / autoencoder.grid.time


def _moved(frames: Tensor, move: Tensor, passed: Tensor) -> Tensor:
    """One frame (f, 3, H, W) for each block, at each of the times (t,) that have passed since: (f, t, 3, H, W).

    `move` (f, 2, h, w), in voxels a latent frame, is that of what is seen in the block, not in the frame.
    """
    height, width = frames.shape[2:]
    way = F.interpolate(move, size=(height, width), mode="bilinear", align_corners=False).movedim(1, -1)  # (f, H, W, 2)
    unit = way * (2 / way.new_tensor([move.shape[3], move.shape[2]]))  # of a picture 2 wide and 2 high
    y, x = ((torch.arange(side, device=move.device) + 0.5) * 2 / side - 1 for side in (height, width))
    here = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    places = here - unit[:, None] * passed.to(move.device)[:, None, None, None]  # (f, t, H, W, 2)
    # All times of a block one below the other: one picture to be read.
    seen = F.grid_sample(frames, places.flatten(1, 2), mode="bilinear", padding_mode="border", align_corners=False)
    return seen.unflatten(2, (len(passed), height)).transpose(1, 2)
