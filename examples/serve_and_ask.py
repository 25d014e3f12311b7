"""A server of one's own, and the official client of the Videos API, unmodified."""

import subprocess
import sys
import time
import urllib.request
import warnings

import openai

warnings.filterwarnings("ignore", "The Sora API")  # the client says that it was shut down; here it was not
url = "http://127.0.0.1:8237"
server = subprocess.Popen([sys.executable, "-m", "patchworld", "serve", "--port", "8237"])
for _ in range(600):
    try:
        urllib.request.urlopen(f"{url}/healthz").close()
        break
    except OSError:
        time.sleep(0.1)

client = openai.OpenAI(base_url=f"{url}/v1", api_key="any")
ball = client.videos.create_and_poll(prompt="a red ball rolls to the left on grass", seconds="2", size="64x64")
longer = client.videos.extend(prompt="it stops", seconds="1", video=openai.omit, extra_body={"video": {"id": ball.id}})
client.videos.poll(longer.id)
client.videos.download_content(longer.id).write_to_file("longer.mp4")
server.terminate()
server.wait()
