"""Words to token numbers and back: byte-level BPE, trained on the captions of a data set.

Any text is accepted, since any text is bytes. It is brought to Unicode NFC and lower case, and from there comes back
exactly. Pairs of bytes that stand together often become one token (byte pair encoding, Sennrich et al. 2015,
1508.07909; over bytes, Radford et al. 2019), so an English word of the captions ends as one token. Chinese, Japanese
and Korean characters are cut apart first: no token holds two of them, or a phrase seen in training would be one token
and its words unknown elsewhere.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

from patchworld.errors import InputError, ModelError

PAD, BEGIN, END = "<pad>", "<begin>", "<end>"
CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"


class Tokenizer:
    """Turns prompts into token numbers. Every prompt begins with `begin_id`; the empty prompt is that token alone."""

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        ids = [backend.token_to_id(name) for name in (PAD, BEGIN, END)]
        known = [number for number in ids if number is not None]
        if len(known) < len(ids):
            raise ModelError(f"this tokenizer lacks one of {PAD}, {BEGIN}, {END}: train one by train_tokenizer")
        # "<pad>" typed by a person is five characters, not a padding token. The file format does not keep this setting.
        backend.encode_special_tokens = True
        self._backend = backend
        self.pad_id, self.begin_id, self.end_id = known
        # Training reads the same captions again and again.
        self._cached = lru_cache(maxsize=65536)(self._encode)

    def __reduce__(self) -> tuple[Callable[[str], "Tokenizer"], tuple[str]]:
        """Copied, and sent to other processes, as its JSON."""
        return Tokenizer.from_json, (self.to_json(),)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are; their numbers are 0 ... vocab_size - 1."""
        return self._backend.get_vocab_size()

    def normalise(self, text: str) -> str:
        """What is read of `text`: NFC, lower case; halves of broken characters become question marks."""
        return self._backend.normalizer.normalize_str(_valid(text)).removeprefix(" ")

    def encode(self, text: str, max_tokens: int | None = None) -> list[int]:
        """Token numbers of `text`, `begin_id` first; cut after `max_tokens` with a warning, once, of what is lost."""
        return list(self._cached(text, max_tokens))

    def _encode(self, text: str, max_tokens: int | None) -> tuple[int, ...]:
        ids = [self.begin_id, *self._backend.encode(_valid(text)).ids]
        if max_tokens is None or len(ids) <= max_tokens:
            return tuple(ids)
        lost = self._backend.decode(ids[max_tokens:])
        warnings.warn(
            f"a prompt of {len(ids)} tokens is cut to {max_tokens}: its last {len(ids) - max_tokens} are not read, "
            f"from '{lost.strip()[:40]}' on; shorten it",
            stacklevel=3,
        )
        return tuple(ids[:max_tokens])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token numbers: `normalise(text)` for those of `encode(text)`; special tokens say nothing."""
        return self._backend.decode(list(ids))

    def pieces(self, text: str) -> list[str]:
        """The text of each token of `text`, to look at; bytes that are no character on their own show as \ufffd."""
        return [self._backend.decoder.decode([token]) for token in self._backend.encode(_valid(text)).tokens]

    def to_json(self) -> str:
        """The whole tokenizer as JSON, in the format of the `tokenizers` library."""
        return self._backend.to_str(pretty=False)

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """The tokenizer that `to_json` wrote."""
        try:
            json.loads(text)
            backend = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises plain Exception
            raise ModelError(
                f"this is not a tokenizer in JSON: {error}; use a file that patchworld has written"
            ) from error
        return cls(backend)

    def save(self, path: Path | str) -> None:
        """Writes `tokenizer.json`."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> "Tokenizer":
        """Reads what `save` wrote."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"cannot read the tokenizer {path}: {error}; it belongs beside the weights") from error
        try:
            return cls.from_json(text)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error


def train_tokenizer(captions: Iterable[str], vocab_size: int = 4096) -> Tokenizer:
    """A tokenizer of at most `vocab_size` tokens for `captions`; the same captions in any order give the same one.

    Three special tokens and 256 bytes are always there; the rest are the most frequent sequences. With room for all
    words of the captions each becomes one token, and the vocabulary stays smaller than asked.
    """
    smallest = 3 + 256
    if vocab_size < smallest:
        raise InputError(
            f"vocab_size={vocab_size} is too small: at least {smallest}, for 256 bytes and 3 special tokens"
        )
    backend = tokenizers.Tokenizer(models.BPE())
    # A word has the same token at the beginning and inside: one space is put before a text, unless that would stand
    # alone before a Chinese character, and taken off again by the decoder.
    backend.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Lowercase(),
            normalizers.Prepend(" "),
            normalizers.Replace(Regex(rf"\A (?={CJK})"), ""),
        ]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CJK), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    backend.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator((_valid(caption) for caption in captions), trainer)
    return Tokenizer(backend)


def _valid(text: str) -> str:
    """`text` with lone surrogates, which no encoding can hold, as question marks."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
