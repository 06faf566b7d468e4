# prodigy itself as an image, for pipelines that have the engine's socket and a repository.
#
# Behind a proxy with its own certificate authority, put that authority's certificates into ca.crt
# beside this file; without the file nothing is added.

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates python3 python3-venv
# LICENSE is there so that the pattern, which may match nothing, does not stand alone.
COPY LICENSE ca.cr[t] /usr/local/share/ca-certificates/
RUN update-ca-certificates
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/prodigy
COPY requirements.lock /src/
RUN /opt/prodigy/bin/pip install --quiet --require-hashes --requirement /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY images /src/images
COPY prodigy /src/prodigy
RUN /opt/prodigy/bin/pip install --quiet --no-deps /src

FROM debian:bookworm-slim
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates git python3 util-linux \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log
COPY --from=build /opt/prodigy /opt/prodigy
ENV LANG=C.UTF-8 PRODIGY_HOME=/prodigy PATH=/opt/prodigy/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENTRYPOINT ["prodigy"]
