# The studio on a processor: page, inspection, training. Build and start it with `docker compose up`; see
# docs/guides/studio.md. Its data, models and tokens are in the volume /data.
FROM python:3.11-slim

ARG EXTRAS=serve,postgres,line,onnx,openvino,formats
# An index of wheels without CUDA, which torch's own site names: the image is then 1 GB instead of 7.
ARG TORCH_INDEX=""

RUN useradd --create-home --uid 10001 twinspect \
    && mkdir /data \
    && chown twinspect /data
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY src src
# Versions are pyproject.toml's concern.
# hadolint ignore=DL3013
RUN if [ -n "$TORCH_INDEX" ]; then \
        python -m pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision; \
    fi \
    && python -m pip install --no-cache-dir ".[$EXTRAS]"

USER 10001
ENV XDG_CACHE_HOME=/data/.cache HF_HOME=/data/.cache/huggingface
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
ENTRYPOINT ["twinspect", "studio"]
CMD ["/data", "--host", "0.0.0.0", "--token-file", "/data/tokens.txt"]
