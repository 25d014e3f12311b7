"""From words to a video and an image, in English and in Chinese."""

import patchworld

world = patchworld.load()
clip = world.generate("a red ball rolls to the left on grass", frames=17, size=(64, 64), seed=3)
print(clip, clip.save("ball.mp4"))

picture = world.generate("一个蓝色的方块，雪地上", frames=1, size=(96, 96), seed=1)
print(picture, picture.save("cube.png"))
