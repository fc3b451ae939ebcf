# The project on a CPU:
#   docker build -t dogs-vs-cats .
#   docker run --rm -v dogs-vs-cats-data:/home/user/dogs-vs-cats/data dogs-vs-cats
# Its tests:
#   docker build --build-arg LOCK=requirements-dev.lock -t dogs-vs-cats:dev .
#   docker run --rm dogs-vs-cats:dev make test
FROM python:3.11-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home user
USER user
RUN mkdir -p /home/user/dogs-vs-cats/data
WORKDIR /home/user/dogs-vs-cats

FROM base
ARG LOCK=requirements.lock
# The packages are a layer of their own, which only a change of the lock renews.
COPY --chown=user Makefile ${LOCK} ./
RUN make ".venv/.installed-${LOCK}"
COPY --chown=user . .
RUN touch ".venv/.installed-${LOCK}" && make install
CMD ["make", "run"]
