# Stempel as an image: web, worker and every command, by the same ./stempel as everywhere.
# What happens while it is built stands in deploy/image/, so that a test can do the same without Docker.
# Debian, and not Alpine: several packages have no ready-made builds for musl.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY . /src
# Installed from the lock with hashes, in the place where it will stand.
RUN /src/deploy/image/build.sh /src /opt/stempel

FROM ${PYTHON_IMAGE}
RUN groupadd --system --gid 10001 stempel \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/stempel stempel \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/stempel /backups
COPY --from=build /opt/stempel /opt/stempel
# By number: a cluster that forbids root can see that this is not.
USER 10001:10001
ENV STEMPEL_HOST=0.0.0.0 \
    STEMPEL_PORT=8000 \
    STEMPEL_DATA_DIR=/var/lib/stempel \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/stempel
VOLUME /var/lib/stempel
EXPOSE 8000
# The process answers; /readyz, which also asks the database, is for balancers: restarting us would not mend it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/stempel/.venv/bin/python", "/opt/stempel/deploy/image/healthcheck.py"]
# Long enough for callers to go elsewhere and for jobs to end (docs/deploy.md).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/stempel/stempel"]
CMD ["serve"]
