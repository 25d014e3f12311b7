"""Any Hugging Face text encoder (T5, UMT5, CLIP, BERT and more) behind the interface of the built-in one."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch

from patchworld.errors import InputError, ModelError, missing_extra
from patchworld.text.tokens import TextTokens, by_length


class HuggingFaceTextEncoder:
    """A pretrained encoder, frozen: not trained and not saved with the model, so it is no module.

    `folder_or_name` is a folder, or a name on the Hugging Face hub, with config, tokenizer and safetensors weights.
    Pickled weights and code that comes with a model are refused. Features are float32 whatever `dtype` the encoder
    computes in.
    """

    def __init__(
        self,
        folder_or_name: str,
        max_tokens: int = 256,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        try:
            import transformers
        except ImportError as error:
            raise missing_extra("transformers", "models") from error
        if max_tokens < 1:
            raise InputError(f"max_tokens={max_tokens} is too small: use at least 1")
        try:
            config = transformers.AutoConfig.from_pretrained(folder_or_name, trust_remote_code=False)
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder_or_name, trust_remote_code=False)
            self._model, report = _encoder_class(transformers, config).from_pretrained(
                folder_or_name, use_safetensors=True, trust_remote_code=False, dtype=dtype, output_loading_info=True
            )
        except (OSError, ValueError) as error:
            first_line = str(error).strip().split("\n")[0]
            raise ModelError(
                f"cannot load the text encoder '{folder_or_name}': {first_line}; "
                "use a folder or hub name with config.json, tokenizer and safetensors weights"
            ) from error
        if missing := sorted(report["missing_keys"]):
            raise ModelError(
                f"the text encoder '{folder_or_name}' lacks {len(missing)} weights, such as {missing[0]}: "
                "they would be random; use a complete model"
            )
        self.name = folder_or_name
        self._model.to(device).eval().requires_grad_(False)
        self.device = torch.device(device)
        text_config = self._model.config.get_text_config(encoder=True)
        self.width: int = text_config.hidden_size
        # An encoder with a table of positions reads no further than its table, T5 any length.
        table = getattr(text_config, "max_position_embeddings", None)
        limits = (max_tokens, self._tokenizer.model_max_length, table)
        self.max_tokens = min(limit for limit in limits if limit is not None)

    @torch.no_grad()
    def __call__(self, prompts: Sequence[str], /) -> TextTokens:
        """Features (m, width) of the last layer, of the prompts' own tokens only."""
        ids = [self._ids(prompt) for prompt in prompts]
        lengths = tuple(len(prompt) for prompt in ids)
        features: list[torch.Tensor] = [torch.empty(0)] * len(ids)
        for numbers in by_length(lengths).values():
            batch = torch.tensor([ids[number] for number in numbers], device=self.device)
            hidden = self._model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state
            for number, rows in zip(numbers, hidden.float(), strict=True):
                features[number] = rows
        return TextTokens(torch.cat(features), lengths)

    def _ids(self, prompt: str) -> list[int]:
        """Token numbers of one prompt, at least one, at most `max_tokens` with the tokenizer's own marks kept."""
        text = prompt.encode("utf-8", errors="replace").decode("utf-8")
        ids: list[int] = self._tokenizer(text, verbose=False)["input_ids"]
        if len(ids) > self.max_tokens:
            warnings.warn(f"a prompt of {len(ids)} tokens is cut to {self.max_tokens}; shorten it", stacklevel=3)
            ids = self._tokenizer(text, truncation=True, max_length=self.max_tokens)["input_ids"]
        if ids:
            return ids
        # Tokenizers without marks make nothing of the empty prompt.
        marks = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id, self._tokenizer.pad_token_id, 0)
        return [next(mark for mark in marks if mark is not None)]


def _encoder_class(transformers: Any, config: Any) -> Any:
    """The class that loads the text encoder alone: half of a translation model, the text side of CLIP, or the whole."""
    if config.model_type in ("clip", "clip_text_model"):
        return transformers.CLIPTextModel
    if type(config) in transformers.MODEL_FOR_TEXT_ENCODING_MAPPING:
        return transformers.AutoModelForTextEncoding
    return transformers.AutoModel
