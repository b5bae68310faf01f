# The service without engines: PostgreSQL and Valkey run elsewhere, or in containers of their own (config/compose/).
#
#   docker build --tag waitroom .
#
# Settings come from the environment (`WAITROOM_POSTGRES_URL=…`) or from a file that `WAITROOM_CONFIG` names; the
# signing keys from /etc/waitroom/secrets.toml. Nothing is written but to /tmp, so the root may be read-only.
# The tests run on this version of Python.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /src
COPY config/image/ config/image/
# Every package by version and hash. What builds the service stays behind in /build.
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes --requirement config/image/build.lock \
    && python -m venv --without-pip /opt/waitroom \
    && /build/bin/pip --python /opt/waitroom/bin/python install --no-cache-dir --require-hashes \
        --only-binary :all: --requirement config/image/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY inventory/ inventory/
COPY checkout/ checkout/
COPY static/ static/
COPY waitroom/ waitroom/
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/waitroom/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="waitroom" \
    org.opencontainers.image.description="A self-hosted virtual waiting room with fair checkout" \
    org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --user-group --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin waitroom
COPY --from=build /opt/waitroom /opt/waitroom
ENV PATH=/opt/waitroom/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    WAITROOM_DATA_DIR=/etc/waitroom \
    WAITROOM_HOST=0.0.0.0 \
    WAITROOM_LOG_JSON=true
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# A process without shoppers has its health at the operators' port. With ports from a file, say them here too.
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; p = os.environ.get; u.urlopen('http://127.0.0.1:' + (p('WAITROOM_ADMIN_PORT') or p('WAITROOM_PORT') or '8080') + '/healthz', timeout=3)"]
ENTRYPOINT ["waitroom"]
CMD ["serve"]
