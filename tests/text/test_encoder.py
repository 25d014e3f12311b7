"""The built-in encoder reads each prompt on its own, whatever it is batched with, and learns."""

import copy
import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from patchworld.errors import ModelError
from patchworld.text import BuiltinTextEncoder, TextConfig, train_tokenizer

PROMPTS = ["", "a red ball", "the blue cube falls to the left of the wall", "红色的球", "a blue ball", ""]


def make_encoder(**options) -> BuiltinTextEncoder:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a red ball", "the blue cube falls to the left of the wall", "红色的球"])
    settings = {"width": 32, "depth": 2, "num_heads": 4} | options
    return BuiltinTextEncoder(TextConfig(vocab_size=tokenizer.vocab_size, **settings), tokenizer)


@pytest.mark.parametrize("times", [1, 9])  # in few words and in more than one lot of rows
def test_a_prompt_encodes_the_same_alone_and_in_a_batch(times) -> None:
    encoder, prompts = make_encoder(), PROMPTS * times
    together = encoder(prompts)
    assert together.features.shape == (sum(together.lengths), encoder.width)
    for prompt, features in zip(prompts, together.split(), strict=True):
        torch.testing.assert_close(features, encoder([prompt]).features, rtol=1e-5, atol=1e-5)


def test_the_empty_prompt_has_one_token() -> None:
    tokens = make_encoder()(PROMPTS)
    assert tokens.lengths == (1, 4, 11, 5, 4, 1)


def test_ids_made_ahead_give_the_same_features() -> None:
    encoder = make_encoder()
    ids = encoder.tokenize(PROMPTS)
    assert ids.ids.shape == (sum(ids.lengths),)
    assert torch.equal(encoder(ids).features, encoder(PROMPTS).features)


def test_words_and_their_order_matter() -> None:
    encoder = make_encoder()
    red, blue = encoder(["red ball blue cube", "blue ball red cube"]).split()
    assert (red - blue).abs().max() > 0.1
    assert (red[2] - blue[2]).abs().max() > 1e-4, "the ball does not know its colour"


def test_a_prompt_sees_nothing_of_its_neighbours() -> None:
    encoder = make_encoder()
    encoder(["a red ball", "the blue ball", "a blue cube"]).split()[1][:, 0].sum().backward()
    unseen = encoder.tokenizer.encode("red")[1]
    seen = encoder.tokenizer.encode("blue")[1]
    gradient = encoder.embedding.weight.grad
    assert gradient is not None
    assert not gradient[unseen].any()
    assert gradient[seen].any()


def test_every_weight_learns_also_in_bfloat16() -> None:
    encoder = make_encoder()
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(PROMPTS).features
    features.float().square().sum().backward()
    assert features.isfinite().all()
    torch.testing.assert_close(features.float(), encoder(PROMPTS).features, rtol=0.1, atol=0.1)
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_an_encoder_held_in_bfloat16_says_nearly_the_same() -> None:
    encoder = make_encoder()
    with torch.no_grad():
        exact, rough = encoder(PROMPTS).features, copy.deepcopy(encoder).bfloat16()(PROMPTS).features
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, rtol=0.1, atol=0.1)


def test_the_encoder_learns_to_tell_its_prompts_apart() -> None:
    encoder = make_encoder()
    head = torch.nn.Linear(32, 2)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    ids = encoder.tokenize(["red ball blue cube", "blue ball red cube", "红色的球", "红色的"])
    for _ in range(60):
        logits = head(torch.stack([features.mean(dim=0) for features in encoder(ids).split()]))
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_features_begin_at_the_size_of_two_unit_vectors() -> None:
    features = make_encoder()(PROMPTS).features
    assert features.std().item() == pytest.approx(2, abs=0.2)


def test_weights_survive_a_round_trip_and_the_encoder_a_copy() -> None:
    encoder, other = make_encoder(), make_encoder()
    torch.nn.init.normal_(other.embedding.weight)
    other.load_state_dict(encoder.state_dict())
    for same in (other, copy.deepcopy(encoder)):
        assert torch.equal(same(PROMPTS).features, encoder(PROMPTS).features)


def test_long_prompts_are_cut_with_a_warning() -> None:
    encoder = make_encoder(max_tokens=3)
    with pytest.warns(UserWarning, match="is cut to 3"):
        assert encoder(["a red ball falls"]).lengths == (3,)


def test_settings_that_do_not_fit_are_refused() -> None:
    encoder = make_encoder()
    with pytest.raises(ModelError, match="vocab_size=7 does not fit"):
        BuiltinTextEncoder(TextConfig(vocab_size=7), encoder.tokenizer)
    with pytest.raises(ValidationError, match="width=30 must be a multiple"):
        TextConfig(vocab_size=7, width=30)
    with pytest.raises(ValidationError, match="heads"):
        TextConfig(vocab_size=7, heads=3)  # type: ignore[call-arg]


def test_importing_text_loads_no_transformers() -> None:
    code = "import sys, patchworld.text; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_words_stay_apart_when_the_blocks_say_the_same_of_all() -> None:
    encoder = make_encoder()
    with torch.no_grad():
        for block in encoder.blocks:
            block.mlp_out.bias.normal_(std=1000)
        red, blue = encoder(["a red ball", "a blue ball"]).split()
    assert (red[2] - blue[2]).norm() > 0.5 * red[2].norm()  # after the begin token and "a"
