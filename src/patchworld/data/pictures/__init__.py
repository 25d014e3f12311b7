"""A data set of everything but a world: photographs seen by a moving camera, and patterns, letters and shapes drawn by
code. An autoencoder trained on it learns pictures in general, not one world.

    patchworld data pictures --clips 2500 --photos my-photos --out pictures

    out/clips/000000.mkv     lossless, in RGB (000000.png for a clip of one frame)
    out/captions.jsonl       {"video": "clips/000000.mkv", "caption": "a picture, the camera pans"}
    out/dataset.json         the settings, so that the same command can go on where it stopped

A clip is one shot, or two with a cut between. A shot is a still *sheet* under a moving camera, with shapes or words
that move above it and a change of light. What is in clip number i is a function of the seed, i, and the names of the
photographs; letters also depend on the fonts that are installed.

The sheet holds two pixels for each pixel of the frame at the widest view. Each pixel of a frame is the mean of four
bicubic samples, so that nothing finer than a pixel is left to flicker.

Any folder of pictures serves for `--photos`, its subfolders included. Debian has packages of them, with their
licences in usr/share/doc or beside them; some letters are Chinese where a font such as fonts-wqy-microhei is installed:

    apt-get download plasma-workspace-wallpapers mate-backgrounds lomiri-wallpapers-20.04 palapeli-data
    for package in *.deb; do dpkg -x "$package" my-photos; done
"""

from patchworld.data.pictures.drawing import draw
from patchworld.data.pictures.folder import write_pictures
from patchworld.data.pictures.photographs import find_photographs
from patchworld.data.pictures.planning import describe, plan
from patchworld.data.pictures.shot import Shot

__all__ = ["Shot", "describe", "draw", "find_photographs", "plan", "write_pictures"]
