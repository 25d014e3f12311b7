"""Hugging Face encoders behind the interface, on tiny random models and tokenizers made here: nothing is downloaded."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import text_encoder_folder as make_folder

from patchworld.errors import ModelError, RunError
from patchworld.text import HuggingFaceTextEncoder

transformers = pytest.importorskip("transformers")

PROMPTS = ["", "a red ball", "the blue cube falls to the left", "a red ball 红"]
KINDS = ["t5", "umt5", "clip", "clip_text", "bert"]


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_model_for_each_prompt_alone(kind: str, tmp_path: Path) -> None:
    folder = make_folder(kind, tmp_path)
    encoder = HuggingFaceTextEncoder(str(folder))
    tokens = encoder(PROMPTS)
    assert encoder.width == 16
    assert tokens.features.shape == (sum(tokens.lengths), 16)
    assert tokens.features.dtype == torch.float32
    assert not tokens.features.requires_grad

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    classes = {"t5": "T5EncoderModel", "umt5": "UMT5EncoderModel", "bert": "BertModel"}
    model = getattr(transformers, classes.get(kind, "CLIPTextModel")).from_pretrained(folder).eval()
    for prompt, features in zip(PROMPTS, tokens.split(), strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        expected = model(input_ids=ids).last_hidden_state[0]
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


def test_padding_would_have_given_the_same(tmp_path: Path) -> None:
    """The usual way, a padded batch with a mask, against ours without either."""
    folder = make_folder("umt5", tmp_path)
    tokens = HuggingFaceTextEncoder(str(folder))(PROMPTS)
    model = transformers.UMT5EncoderModel.from_pretrained(folder).eval()
    batch = transformers.AutoTokenizer.from_pretrained(folder)(PROMPTS, padding=True, return_tensors="pt")
    padded = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    real = padded[batch["attention_mask"].bool()]
    torch.testing.assert_close(tokens.features, real, rtol=1e-4, atol=1e-5)


def test_the_empty_prompt_has_one_token(tmp_path: Path) -> None:
    assert HuggingFaceTextEncoder(str(make_folder("t5", tmp_path)))([""]).lengths == (1,)


def test_long_prompts_are_cut_to_what_the_encoder_can_read_and_keep_their_end_mark(tmp_path: Path) -> None:
    encoder = HuggingFaceTextEncoder(str(make_folder("clip_text", tmp_path)))
    assert encoder.max_tokens == 12
    with pytest.warns(UserWarning, match="is cut to 12"):
        tokens = encoder(["a red ball falls " * 9])
    assert tokens.lengths == (12,)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = make_folder("t5", tmp_path, safe=False)
    with pytest.raises(ModelError, match="safetensors"):
        HuggingFaceTextEncoder(str(folder))


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    folder = make_folder("t5", tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.block.0.layer.0.SelfAttention.q.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights, such as encoder.block.0"):
        HuggingFaceTextEncoder(str(folder))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot load the text encoder '.*nowhere'"):
        HuggingFaceTextEncoder(str(tmp_path / "nowhere"))


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RunError, match=r"extra 'models'"):
        HuggingFaceTextEncoder("anything")
