"""Recall: what is seen at one place at several times need not be dreamed each time.

The last thing a denoiser does with its estimates of the clean tokens is to mix those of one place, over all token
frames of a clip. The values themselves are mixed, never projected: so what is given comes back as it is wherever
nothing moves, which a transformer whose heads are narrower than a token can only approach (the pointers of Vinyals et
al. 2015, 1506.03134, and of See et al. 2017, 1704.04368, for values instead of words).
"""

import torch
from torch import Tensor

from patchworld.patches import Pack
from patchworld.shapes import Shape

OWN = 5.0  # by how much a token's own estimate begins ahead of the others, as a logarithm
FAINTEST = 1e-3  # levels below it count as this one


def recall(clean: Tensor, address: Tensor, pack: Pack, level: Tensor) -> Tensor:
    """Estimates (n, p) of the clean tokens of a pack, each mixed with those of its place at other times; float32.

    With queries q and keys k of each token, halves of its `address` (n, 2 r), and its noise level t, the estimate of
    time i at a place becomes the sum over times j of softmax_j(q_i k_j / sqrt(r) + [i = j] (OWN - 2 log t_i)) times
    that of j. The less noise a token has, the surer it is of itself; one without noise stays what it is.
    """
    kept: list[Tensor | None] = [None] * len(pack.shapes)
    if pack.kept is not None:
        kept = list(pack.kept.split([shape.volume for shape in pack.shapes]))
    clips = zip(pack.shapes, kept, *(x.float().split(pack.lengths) for x in (clean, address, level)), strict=True)
    with torch.autocast(clean.device.type, enabled=False):
        return torch.cat([_recall(*clip) if clip[0].frames > 1 else clip[2] for clip in clips])


def _recall(shape: Shape, kept: Tensor | None, clean: Tensor, address: Tensor, level: Tensor) -> Tensor:
    """`recall` for one clip, of which all tokens or those that are `kept` (volume,) are there."""
    if kept is not None:
        here = kept.nonzero()[:, 0].to(clean.device)
        clean, address, level = (
            x.new_zeros(shape.volume, *x.shape[1:]).index_copy(0, here, x) for x in (clean, address, level)
        )
    clean, address, level = (x.unflatten(0, (shape.frames, -1)) for x in (clean, address, level))  # (f, places, ...)
    q, k = address.chunk(2, dim=2)
    scores = torch.einsum("inr,jnr->nij", q, k) * q.shape[2] ** -0.5
    scores = scores + torch.diag_embed(OWN - 2 * level.clamp(min=FAINTEST).log().T)
    if kept is not None:
        there = kept.view(shape.frames, -1).T.to(clean.device)
        scores = scores.masked_fill(~there[:, None, :], torch.finfo(scores.dtype).min)
    mixed = torch.einsum("nij,jnp->inp", scores.softmax(-1), clean).flatten(0, 1)
    return mixed if kept is None else mixed[here]
