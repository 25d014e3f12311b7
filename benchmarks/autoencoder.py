"""How fast is the autoencoder beside others of equal size, and how much memory does it take?

    python benchmarks/autoencoder.py [speed] [peers] [pictures] [files] [--out FILE]

speed     encoding and decoding beside diffusers' video autoencoders: one thread, CPU time, candidates in turn
peers     peak memory of the same, one process each
pictures  peak memory of ours for large pictures, one process each
files     `patchworld reconstruct` from file to file: does its memory grow with the length?

Without a name, all four. Every peer is diffusers' own architecture, made narrower or wider until it has as many
parameters as our default; weights are random, numbers bfloat16. Prints tables; with --out, writes them.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from measure import ROUNDS, in_turn
from torch import Tensor, nn

from patchworld.shapes import Shape
from patchworld.vae import Autoencoder, AutoencoderConfig
from patchworld.video import Writer

SHAPES = (Shape(17, 64, 64), Shape(33, 128, 128), Shape(17, 256, 256))
LARGE = (Shape(9, 1080, 1920), Shape(9, 1920, 1080), Shape(9, 1079, 1919), Shape(1, 2048, 2048), Shape(1, 4096, 4096))
SECONDS, RATE, SIZE = (10, 60), 24, (128, 96)


def wan(width: int) -> nn.Module:
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(base_dim=width)


def ltx(width: int) -> nn.Module:
    from diffusers import AutoencoderKLLTXVideo

    widths = (width, 2 * width, 4 * width, 4 * width)
    return AutoencoderKLLTXVideo(block_out_channels=widths, decoder_block_out_channels=widths)


def cogvideox(width: int) -> nn.Module:
    from diffusers import AutoencoderKLCogVideoX

    # Its groups of the norm are 32 for 128 channels; as many channels a group here.
    return AutoencoderKLCogVideoX(
        block_out_channels=(width, 2 * width, 2 * width, 4 * width), norm_num_groups=width // 4
    )


PEERS: dict[str, tuple[Callable[[int], nn.Module], int]] = {
    "Wan": (wan, 1),
    "LTX-Video": (ltx, 2),
    "CogVideoX": (cogvideox, 4),
}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def width_of(name: str, target: int) -> int:
    """The width at which a peer comes closest to `target` parameters, which are a polynomial of degree two of it."""
    make, step = PEERS[name]
    small = [4, 8, 12]
    size = np.poly1d(np.polyfit(small, [count(make(width)) for width in small], 2))
    return min(range(step, 512, step), key=lambda width: abs(size(width) - target))


def channels_last(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return module


def candidate(name: str, width: int | None) -> tuple[nn.Module, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """A model by name with its functions from pixels to latents and back, both bfloat16 and channels last."""
    torch.manual_seed(0)
    if width is None:
        model = Autoencoder(AutoencoderConfig()).bfloat16().eval()
        return model, lambda pixels: model.encode(pixels).bfloat16(), model.decode
    model = channels_last(PEERS[name][0](width).bfloat16().eval())
    return (
        model,
        lambda pixels: model.encode(pixels).latent_dist.mode(),
        lambda latent: model.decode(latent, return_dict=False)[0],
    )


def pixels_of(shape: Shape) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(1, *shape, 3, generator=generator) * 2 - 1).bfloat16().permute(0, 4, 1, 2, 3)


@torch.no_grad()
def speed(names: dict[str, int | None]) -> Iterator[str]:
    a = torch.randn(1024, 1024).bfloat16()
    yield f"bf16 matrix product: {2 * 1024**3 / in_turn({'': lambda: a @ a})[''] / 1e9:.0f} GFLOP/s.\n"
    models = {name: candidate(name, width) for name, width in names.items()}
    yield "| video | candidate | parameters | latent voxel, channels | encode, ms a frame | decode, ms a frame |"
    yield "|---|---|---|---|---|---|"
    for shape in SHAPES:
        pixels = pixels_of(shape)
        latents = {name: encode(pixels) for name, (_, encode, _) in models.items()}
        latents = {name: z.contiguous(memory_format=torch.channels_last_3d) for name, z in latents.items()}
        encoding = in_turn({n: lambda encode=m[1], x=pixels: encode(x) for n, m in models.items()})
        decoding = in_turn({n: lambda decode=m[2], z=latents[n]: decode(z) for n, m in models.items()})
        for name, (model, *_) in models.items():
            _, channels, frames, height, width = latents[name].shape
            spans = f"{(shape.frames - 1) // (frames - 1)} x {shape.height // height} x {shape.width // width}"
            ours = next(iter(models))
            times = (f"{t[name] / shape.frames * 1e3:.2f} ({t[name] / t[ours]:.1f})" for t in (encoding, decoding))
            size = f"{shape.frames} x {shape.height} x {shape.width}"
            yield f"| {size} | {name} | {count(model) / 1e6:.2f} M | {spans}, {channels} | {' | '.join(times)} |"


# Peak memory, each point in a process of its own.


def megabytes() -> float:
    """The most memory that this process has held."""
    # Not ru_maxrss: a new process begins with that of the one which started it (Linux, execve).
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def alone(*task: object) -> list[float]:
    """The numbers that this script prints for one task, run in a fresh process."""
    answer = subprocess.run(
        [sys.executable, __file__, "alone", *map(str, task)], capture_output=True, text=True, check=True
    )
    return [float(word) for word in answer.stdout.splitlines()[-1].split()]


@torch.no_grad()
def alone_peer(name: str, width: str, *sides: str) -> list[float]:
    shape = Shape(*map(int, sides))
    if width == "None":
        Autoencoder(AutoencoderConfig())  # what it imports counts as import
    else:
        PEERS[name][0](4)
    before = megabytes()
    _, encode, decode = candidate(name, None if width == "None" else int(width))
    latent = encode(pixels_of(shape))
    after_encoding = megabytes()
    decode(latent)
    return [after_encoding - before, megabytes() - before]


def alone_picture(*sides: str) -> list[float]:
    from patchworld.vae import decode_latents, encode_frames

    shape = Shape(*map(int, sides))
    before = megabytes()
    autoencoder = Autoencoder(AutoencoderConfig()).eval()
    frame = np.random.default_rng(0).integers(0, 256, (shape.height, shape.width, 3), dtype=np.uint8)
    started = time.process_time()
    latents = list(encode_frames(autoencoder, (frame for _ in range(shape.frames))))
    encoded, after_encoding = time.process_time(), megabytes()
    for _ in decode_latents(autoencoder, latents, (shape.width, shape.height)):
        pass
    seconds = (encoded - started, time.process_time() - encoded)
    return [after_encoding - before, megabytes() - before, *(s / shape.frames for s in seconds)]


def alone_file(source: str, rebuilt: str) -> list[float]:
    from patchworld.cli import main as patchworld

    before = megabytes()
    assert patchworld(["reconstruct", source, "-o", rebuilt]) == 0
    return [megabytes() - before]


def peers(names: dict[str, int | None]) -> Iterator[str]:
    yield "| video | candidate | peak, encode, MB | peak, encode and decode, MB |"
    yield "|---|---|---|---|"
    for shape in SHAPES:
        for name, width in names.items():
            encoding, both = alone("peer", name, width, *shape)
            yield f"| {shape.frames} x {shape.height} x {shape.width} | {name} | {encoding:.0f} | {both:.0f} |"


def pictures(names: dict[str, int | None]) -> Iterator[str]:
    yield "| frames x height x width | peak MB, encode | peak MB, both | encode, s a frame | decode, s a frame |"
    yield "|---|---|---|---|---|"
    for shape in LARGE:
        encoding, both, *seconds = alone("picture", *shape)
        times = " | ".join(f"{s:.2f}" for s in seconds)
        yield f"| {shape.frames} x {shape.height} x {shape.width} | {encoding:.0f} | {both:.0f} | {times} |"


def files(names: dict[str, int | None]) -> Iterator[str]:
    yield f"| seconds of {SIZE[0]} x {SIZE[1]} at {RATE} frames a second | peak, MB |"
    yield "|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        for seconds in SECONDS:
            source, rebuilt = Path(folder, f"{seconds}.mp4"), Path(folder, "rebuilt.mp4")
            random = np.random.default_rng(0)
            with Writer(source, SIZE, RATE) as writer:
                for _ in range(seconds * RATE):
                    writer.add(random.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8))
            yield f"| {seconds} | {alone('file', source, rebuilt)[0]:.0f} |"


QUESTIONS = {"speed": speed, "peers": peers, "pictures": pictures, "files": files}
TASKS = {"peer": alone_peer, "picture": alone_picture, "file": alone_file}


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["alone"]:
        numbers = TASKS[sys.argv[2]](*sys.argv[3:])
        sys.stdout.write("\n" + " ".join(map(str, numbers)))
        return
    parser = argparse.ArgumentParser(description="Speed and memory of the autoencoder.")
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"of {', '.join(QUESTIONS)}; all of them by default"
    )
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    config = AutoencoderConfig()
    target = count(Autoencoder(config))
    names = {"ours": None, **{name: width_of(name, target) for name in PEERS}}
    lines = [
        f"# benchmarks/autoencoder.py, {date.today()}\n",
        f"{platform.machine()}, torch {torch.__version__}, diffusers {version('diffusers')}, one thread, CPU time, "
        f"median of {ROUNDS} rounds. {target / 1e6:.2f} M parameters: {config}. In brackets: times ours.",
    ]
    print("\n".join(lines), flush=True)
    for question in options.questions or QUESTIONS:
        lines.append(f"\n## {question}\n")
        print(lines[-1])
        for line in QUESTIONS[question](names):
            lines.append(line)
            print(line, flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
