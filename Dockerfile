# archlab with the files it is locked to, for the containers that `archlab launch` starts.
#
#   docker build --tag REGISTRY/archlab .
#   docker build --tag REGISTRY/archlab --build-arg EXTRA=cuda .
FROM python:3.12-slim

ARG EXTRA=tpu
ENV PYTHONUNBUFFERED=1
WORKDIR /archlab

COPY .ci/constraints.txt .ci/lock.txt .ci/
RUN pip install --no-cache-dir -c .ci/constraints.txt pip setuptools
RUN pip install --no-cache-dir --no-deps --require-hashes -r .ci/lock.txt
COPY setup.py README.md LICENSE ./
COPY archlab archlab
COPY gin gin
COPY experiments experiments
RUN pip install --no-cache-dir --no-build-isolation -c .ci/constraints.txt -e ".[$EXTRA]"

CMD ["archlab", "--help"]
