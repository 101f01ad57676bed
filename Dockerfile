# syntax=docker/dockerfile:1
# One image for the gateway and the desk: `enlace gateway`, `enlace subscribe`.
#
# Where images must not change under you, add the digest to the tag: python:3.13-slim@sha256:…

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src

# What is built with stays here; only /opt/enlace goes on.
COPY requirements-build.txt .
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes -r requirements-build.txt

COPY requirements.txt .
RUN python -m venv /opt/enlace \
 && /opt/enlace/bin/pip install --require-hashes --only-binary :all: -r requirements.txt

COPY pyproject.toml README.md LICENSE NOTICE ./
COPY keys keys
COPY schemas schemas
COPY broker broker
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/enlace/bin/pip install --no-deps --no-index /wheels/*.whl \
 && /opt/enlace/bin/pip uninstall --yes pip \
 && /opt/enlace/bin/python -m compileall -q /opt/enlace

FROM python:3.13-slim
COPY --from=build /opt/enlace /opt/enlace
# The owner of the secrets runs the container, whatever his number is; so the data folder is
# open to all users of the container, of whom there is one.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin enlace \
 && install -d -m 1777 /var/lib/enlace
ENV PATH=/opt/enlace/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
WORKDIR /var/lib/enlace
EXPOSE 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["enlace"]
CMD ["gateway"]
# For the gateway. The desk has no port to ask; docker-compose.yml says how it is checked.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9000/livez', timeout=4)"]
