"""Tiny inputs that several tests share."""

from pathlib import Path

import numpy as np

from patchworld.video import Clip


def moving_square(
    frames: int = 17, size: tuple[int, int] = (32, 32), fps: float = 8.0, color: tuple[int, int, int] = (230, 30, 40)
) -> Clip:
    """A square that moves right over a grey ground."""
    width, height = size
    pixels = np.full((frames, height, width, 3), 120, np.uint8)
    for frame in range(frames):
        left = frame * (width - 8) // max(frames - 1, 1)
        pixels[frame, height // 2 - 4 : height // 2 + 4, left : left + 8] = color
    return Clip(pixels, fps)


def text_encoder_folder(kind: str, folder: Path, safe: bool = True) -> Path:
    """A folder with a tiny random encoder of the `kind`, in safetensors, and a tokenizer that marks the end."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    prompts = ["a red ball", "the blue cube falls to the left", "a red ball 红"]
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(prompts, trainer)
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    vocab = len(tokenizer)
    clip_text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    clip_text |= {"vocab_size": vocab, "max_position_embeddings": 12, "eos_token_id": 1, "pad_token_id": 0}
    t5 = {"vocab_size": vocab, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    if kind == "t5":
        model = transformers.T5EncoderModel(transformers.T5Config(**t5))
    elif kind == "umt5":
        model = transformers.UMT5EncoderModel(transformers.UMT5Config(**t5))
    elif kind == "clip_text":
        model = transformers.CLIPTextModel(transformers.CLIPTextConfig(**clip_text))
    elif kind == "clip":
        vision = {key: clip_text[key] for key in list(clip_text)[:4]} | {"image_size": 8, "patch_size": 4}
        model = transformers.CLIPModel(transformers.CLIPConfig(text_config=clip_text, vision_config=vision))
    else:
        sizes = {key: clip_text[key] for key in list(clip_text)[:6]}
        model = transformers.BertModel(transformers.BertConfig(**sizes))
    if safe:
        model.save_pretrained(folder)
    else:
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


class Counting:
    """A denoiser that keeps the shapes of its packs."""

    def __init__(self, denoiser):
        self.denoiser, self.seen = denoiser, []

    def __call__(self, pack, *others):
        self.seen.append(pack.shapes)
        return self.denoiser(pack, *others)

    @property
    def token_variance(self):
        return self.denoiser.token_variance

    @property
    def num_motion(self):
        return self.denoiser.num_motion


class Observed:
    """A model with such a denoiser, or another one in its place."""

    def __init__(self, model, wrap=Counting):
        self.model, self.denoiser = model, wrap(model.denoiser)

    def __getattr__(self, name):
        return getattr(self.model, name)
