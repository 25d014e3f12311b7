import pytest
import torch

from patchworld.dit import PRESETS, DiffusionTransformer, TransformerConfig
from patchworld.dit.modulation import find_runs
from patchworld.dit.transformer import with_history
from patchworld.model import load
from patchworld.patches import Pack, PatchGrid, pack, patchify, positions, unpatchify
from patchworld.shapes import Shape

SHAPES = (Shape(3, 2, 2), Shape(1, 4, 3), Shape(2, 2, 4), Shape(2, 4, 2))
TEXT_LENGTHS = (4, 1, 6, 2)
CONFIG = TransformerConfig(
    latent_channels=4, num_outputs=16, text_width=24, actions=("push", "jump"), action_history=2, **PRESETS["tiny"]
)


def randomised(config):
    torch.manual_seed(0)
    model = DiffusionTransformer(config)
    for parameter in model.parameters():  # what starts at zero would hide mistakes
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module")
def model():
    return randomised(CONFIG)


@pytest.fixture(scope="module", params=["full", "factorised", "window"])
def any_model(request):
    return randomised(CONFIG.model_copy(update={"attention": request.param, "window": (2, 2, 2)}))


def make_pack(shapes=SHAPES):
    draw = torch.Generator().manual_seed(1)
    tokens = [torch.randn(shape.volume, 16, generator=draw) for shape in shapes]
    return pack(tokens, [positions(shape, 0.5) for shape in shapes], shapes)


def words():
    return torch.randn(sum(TEXT_LENGTHS), 24, generator=torch.Generator().manual_seed(2))


def deeds():
    return torch.rand(
        sum(shape.frames for shape in SHAPES), CONFIG.num_deeds, generator=torch.Generator().manual_seed(3)
    )


def frame_levels(packed):
    return torch.repeat_interleave(torch.linspace(0.1, 0.9, len(packed.frame_lengths)), packed.frame_lengths)


def token_levels(packed):
    return torch.rand(sum(packed.lengths), generator=torch.Generator().manual_seed(4))


def test_each_token_frame_is_told_what_was_done_in_its_clip_before():
    actions, clip = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]]), torch.tensor([0, 0, 0, 1, 1])
    told = with_history(actions, clip, 2)
    assert told.tolist() == [[1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 0, 0], [5, 4, 0]]


@pytest.mark.parametrize("levels", [frame_levels, token_levels])
def test_packed_forward_equals_clip_by_clip(any_model, levels):
    model = any_model
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


def test_no_gradient_leaks_between_packed_clips(any_model):
    packed, text = make_pack(), words().requires_grad_()
    tokens = packed.tokens.clone().requires_grad_()
    out = any_model(packed.with_tokens(tokens), frame_levels(packed), text, TEXT_LENGTHS, deeds())
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


def reached(model, shape, token, blocks):
    """Which tokens of a clip `token` can read through the first blocks."""
    packed = make_pack((shape,))
    tokens = packed.tokens.clone().requires_grad_()
    short = DiffusionTransformer(model.config.model_copy(update={"depth": blocks}))
    short.load_state_dict(model.state_dict(), strict=False)
    out = short(packed.with_tokens(tokens), token_levels(packed), words()[:4], (4,))
    out[token].sum().backward()
    return tokens.grad.any(1).view(*shape)


def test_blocks_of_factorised_attention_take_turns_in_space_and_time():
    model, shape = randomised(CONFIG.model_copy(update={"attention": "factorised"})), Shape(3, 4, 2)
    one, two = reached(model, shape, 0, 1), reached(model, shape, 0, 2)
    assert one[0].all()
    assert not one[1:].any()
    assert two.all()


def test_blocks_of_window_attention_take_turns_in_frames_and_boxes():
    model, shape = randomised(CONFIG.model_copy(update={"attention": "window", "window": (2, 2, 2)})), Shape(3, 4, 2)
    one, two = reached(model, shape, 0, 1), reached(model, shape, 0, 2)
    assert one[0].all()
    assert not one[1:].any()
    assert two[:2].all()  # the frames of its box, each read whole by the block before
    assert not two[2].any()


@pytest.mark.parametrize("autocast", [False, True])
def test_recomputing_blocks_changes_no_gradient(any_model, autocast):
    packed = make_pack()
    gradients = []
    for any_model.recompute in (0, 1, 2):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = any_model(packed, frame_levels(packed), words(), TEXT_LENGTHS, deeds())
        gradients.append(torch.autograd.grad(out.square().sum(), list(any_model.parameters())))
    any_model.recompute = 0
    for recomputed in gradients[1:]:
        assert all(torch.equal(a, b) for a, b in zip(gradients[0], recomputed, strict=True))


def test_recomputed_blocks_keep_less_for_the_way_back(model):
    def kept():
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            model(make_pack(), frame_levels(make_pack()), words(), TEXT_LENGTHS)
        return sum(sizes)

    plain, model.recompute = kept(), 2
    assert kept() < plain / 2
    model.recompute = 0


@pytest.mark.parametrize("embedding", ["tubelet", "frames"])
def test_a_token_of_two_latent_frames_has_the_values_that_its_embedding_needs(embedding):
    config = CONFIG.model_copy(update={"patch_time": 2, "embedding": embedding})
    config = config.model_copy(update={"num_outputs": config.num_inputs})
    latent = torch.randn(4, 4, 4, 6)  # one more than a full block: the last is completed
    shape = Shape(4, 4, 6).divided(config.grid)
    packed = pack([patchify(latent, config.grid)], [positions(shape, 1.0)], (shape,))
    out = randomised(config)(packed, token_levels(packed), words()[:4], (4,))
    assert unpatchify(out, shape, config.grid).shape == (4, 5, 4, 6)


def test_weights_that_are_shipped_are_of_full_attention_on_single_frames():
    config = load().denoiser.config
    assert (config.attention, config.grid) == ("full", PatchGrid(1, 2, "tubelet"))
