# patchworld serve on processors: docs/serving.md.
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 patchworld && install --directory --owner patchworld /videos /signing
WORKDIR /opt/patchworld
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
# PyPI's own build of PyTorch is the one for CUDA, several gigabytes.
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt ".[serve,postgres]"

USER patchworld
WORKDIR /videos
# The key that signs videos is made at the first start and has to outlive the container.
ENV PATCHWORLD_SIGNING=/signing/key
VOLUME /videos /signing
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# SIGTERM puts running jobs back into the queue.
STOPSIGNAL SIGTERM
ENTRYPOINT ["patchworld"]
CMD ["serve", "--folder", "/videos", "--host", "0.0.0.0", "--keys", "/run/secrets/keys"]
