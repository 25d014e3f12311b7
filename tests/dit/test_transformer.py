import pytest
import torch

from patchworld.dit import PRESETS, DiffusionTransformer, TransformerConfig
from patchworld.dit.modulation import find_runs
from patchworld.patches import Pack, pack, positions
from patchworld.shapes import Shape

SHAPES = (Shape(3, 2, 2), Shape(1, 4, 3), Shape(2, 2, 4), Shape(2, 4, 2))
TEXT_LENGTHS = (4, 1, 6, 2)
CONFIG = TransformerConfig(
    latent_channels=4, num_outputs=16, text_width=24, actions=("push", "jump"), **PRESETS["tiny"]
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = DiffusionTransformer(CONFIG)
    for parameter in model.parameters():  # what starts at zero would hide mistakes
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def make_pack(shapes=SHAPES):
    draw = torch.Generator().manual_seed(1)
    tokens = [torch.randn(shape.volume, 16, generator=draw) for shape in shapes]
    return pack(tokens, [positions(shape, 0.5) for shape in shapes], shapes)


def words():
    return torch.randn(sum(TEXT_LENGTHS), 24, generator=torch.Generator().manual_seed(2))


def deeds():
    return torch.rand(sum(shape.frames for shape in SHAPES), 2, generator=torch.Generator().manual_seed(3))


def frame_levels(packed):
    return torch.repeat_interleave(torch.linspace(0.1, 0.9, len(packed.frame_lengths)), packed.frame_lengths)


def token_levels(packed):
    return torch.rand(sum(packed.lengths), generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("levels", [frame_levels, token_levels])
def test_packed_forward_equals_clip_by_clip(model, levels):
    packed, text, actions = make_pack(), words(), deeds()
    level = levels(packed)
    together = model(packed, level, text, TEXT_LENGTHS, actions).split(packed.lengths)
    token = word = frame = 0
    for i, shape in enumerate(SHAPES):
        place = slice(token, token + shape.volume)
        alone = model(
            Pack(packed.tokens[place], packed.positions[place], (shape,)),
            level[place],
            text[word : word + TEXT_LENGTHS[i]],
            TEXT_LENGTHS[i : i + 1],
            actions[frame : frame + shape.frames],
        )
        torch.testing.assert_close(together[i], alone, rtol=1e-4, atol=1e-5)
        token, word, frame = token + shape.volume, word + TEXT_LENGTHS[i], frame + shape.frames


def test_no_gradient_leaks_between_packed_clips(model):
    packed, text = make_pack(), words().requires_grad_()
    tokens = packed.tokens.clone().requires_grad_()
    out = model(packed.with_tokens(tokens), frame_levels(packed), text, TEXT_LENGTHS, deeds())
    out.split(packed.lengths)[2].sum().backward()
    touched = [bool(part.any()) for part in tokens.grad.split(packed.lengths)]
    read = [bool(part.any()) for part in text.grad.split(TEXT_LENGTHS)]
    assert touched == read == [False, False, True, False]


def test_modulation_by_runs_equals_a_lookup_for_every_token():
    packed = make_pack()
    table = torch.randn(sum(packed.lengths), 8)
    x = torch.randn(sum(packed.lengths), 8)
    for level in (frame_levels(packed), token_levels(packed), torch.ones(sum(packed.lengths))):
        runs = find_runs(packed, level)
        rows = table[: len(runs.levels)]
        index = torch.repeat_interleave(runs.lengths)
        assert torch.equal(runs.apply(torch.mul, x, rows), x * rows[index])
        assert torch.equal(runs.levels[index], level)


def test_noise_level_text_and_action_each_change_the_prediction(model):
    packed, text, actions = make_pack(), words(), deeds()
    level = frame_levels(packed)
    plain = model(packed, level, text, TEXT_LENGTHS, actions)
    for other in (
        model(packed, level * 0.5, text, TEXT_LENGTHS, actions),
        model(packed, level, text + 1, TEXT_LENGTHS, actions),
        model(packed, level, text, TEXT_LENGTHS, 1 - actions),
        model(packed, level, text, TEXT_LENGTHS, None),
    ):
        assert not torch.allclose(plain, other)


def test_a_new_transformer_predicts_zero():
    assert not DiffusionTransformer(CONFIG)(make_pack(), token_levels(make_pack()), words(), TEXT_LENGTHS).any()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_built(name):
    with torch.device("meta"):
        model = DiffusionTransformer(TransformerConfig(**PRESETS[name]))
    assert sum(p.numel() for p in model.parameters()) > 0
