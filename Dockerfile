# The project on a CPU:
#   docker build -t dogs-vs-cats .
#   docker run --rm -v dogs-vs-cats-data:/home/user/dogs-vs-cats/data dogs-vs-cats
# Its tests:
#   docker build --build-arg LOCK=requirements-dev.lock -t dogs-vs-cats:dev .
#   docker run --rm dogs-vs-cats:dev make test
# The model server, with the champion of a team's MLflow; or with a model of the volume: add --model=APPROACH
#   docker build --target server -t dogs-vs-cats:server .
#   docker run --rm -p 5001:5001 -e MLFLOW_TRACKING_URI=http://HOST:5000 dogs-vs-cats:server
FROM python:3.11-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home user
USER user
RUN mkdir -p /home/user/dogs-vs-cats/data
WORKDIR /home/user/dogs-vs-cats

FROM base AS project
ARG LOCK=requirements.lock
# The packages are a layer of their own, which only a change of the lock renews.
COPY --chown=user Makefile ${LOCK} ./
RUN make ".venv/.installed-${LOCK}"
COPY --chown=user . .
RUN touch ".venv/.installed-${LOCK}" && make install

FROM project AS server
EXPOSE 5001
HEALTHCHECK --start-period=60s CMD [".venv/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5001/health', timeout=5)"]
# Not through make, so that the signal of `docker stop` reaches it.
ENTRYPOINT [".venv/bin/kedro", "tracking", "serve", "--host=0.0.0.0"]

FROM project
CMD ["make", "run"]
