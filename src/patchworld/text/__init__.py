"""Words -> text tokens: features of every token of a prompt, which the denoiser reads.

tokens.py is the interface, tokenizer.py cuts text into tokens, encoder.py is the built-in encoder (English and Chinese,
trained with the denoiser), huggingface.py puts any pretrained encoder in its place.
"""

from patchworld.text.encoder import BuiltinTextEncoder, TextConfig, TextIds
from patchworld.text.huggingface import HuggingFaceTextEncoder
from patchworld.text.tokenizer import Tokenizer, train_tokenizer
from patchworld.text.tokens import TextEncoder, TextTokens

__all__ = [
    "BuiltinTextEncoder",
    "HuggingFaceTextEncoder",
    "TextConfig",
    "TextEncoder",
    "TextIds",
    "TextTokens",
    "Tokenizer",
    "train_tokenizer",
]
