FROM python:3.13-slim-bookworm AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /build
# pip's own configuration, for a machine that reaches an index through a mirror, comes as a build secret:
#   docker build --secret id=pip,src="$HOME/.config/pip/pip.conf" .
# so that it is in no layer. Without the secret the mount is absent.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-cache-dir poetry==2.5.1 poetry-plugin-export==1.10.0
COPY pyproject.toml poetry.lock ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    poetry export --only main --output requirements.txt \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.txt

FROM python:3.13-slim-bookworm
ENV CACHE_URI=/data/cache \
    PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --system --gid 10001 app \
    && useradd --system --uid 10001 --gid app --no-create-home --shell /usr/sbin/nologin app \
    && install --directory --owner app --group app /data/cache
WORKDIR /srv
COPY --from=builder /opt/venv /opt/venv
COPY app/ app/
# The offline source; the app looks for it under this path.
COPY tests/fixtures/sample_series.csv tests/fixtures/sample_series.csv
USER 10001:10001
VOLUME /data/cache
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]
