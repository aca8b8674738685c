# The one image of API and worker, both unless one is named:
#   docker build -t hopstream .  &&  docker run -p 8007:8007 --env-file .env hopstream [api | worker]
FROM python:3.12-slim

ARG VERSION=dev
LABEL org.opencontainers.image.title="Hopstream" \
      org.opencontainers.image.description="LLM answers streamed through RabbitMQ" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT"

# Nothing writes outside /tmp, so the root file system can be read-only.
ENV API_HOST=0.0.0.0 \
    API_PORT=8007 \
    WORKER_HEALTH_PORT=8008 \
    HOME=/tmp \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

WORKDIR /app

# The first process of a container ignores a SIGTERM that comes before it has a handler, as while Python is still
# importing; below tini it does not. Its version is Debian's affair.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*

# A fixed, numeric user: Kubernetes can tell that it is not root. data/ is for a trial without DATABASE_URL; its
# folders are there so that a volume in the place of one is this user's.
RUN groupadd --gid 10001 hopstream \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hopstream \
    && install --directory --owner=10001 --group=10001 data data/agents data/log-archive

# Before the code, so that a change of code reuses this layer. Wheels only: no compiler, hence no build stage.
COPY requirements.txt requirements-anthropic.txt requirements-gemini.txt requirements-logs.txt requirements-mcp.txt \
    requirements-ollama.txt ./
RUN pip install --only-binary=:all: -r requirements.txt -r requirements-anthropic.txt -r requirements-gemini.txt \
    -r requirements-logs.txt -r requirements-mcp.txt -r requirements-ollama.txt

COPY core core
COPY api api
COPY workers workers
COPY logs logs
COPY web web
COPY deploy/entrypoint.sh deploy/healthcheck.py deploy/
# Byte code made here spares every start the compiling; a checkout under umask 077 must be readable by the user too.
RUN python -m compileall -q core api workers logs \
    && chmod -R a+rX,a-w core api workers logs web deploy \
    && chmod a+x deploy/entrypoint.sh

USER 10001:10001
EXPOSE 8007

HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "deploy/healthcheck.py"]

ENTRYPOINT ["tini", "--", "/app/deploy/entrypoint.sh"]
CMD ["all"]
