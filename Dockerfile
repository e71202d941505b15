# The operator's image: what `requirements/run.txt` locks and the operator's wheel, nothing else.
FROM python:3.13-slim AS build
WORKDIR /src

# The tools, in a place of their own, and an environment without pip for the operator.
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv /tools \
 && /tools/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
RUN python -m venv --without-pip /venv \
 && /tools/bin/pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements/run.txt

COPY pyproject.toml README.md LICENSE ./
COPY operator/chainenv operator/chainenv
RUN /tools/bin/pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /tools/bin/pip --python /venv/bin/python install --no-cache-dir --no-index --no-deps /wheels/*.whl

FROM python:3.13-slim
LABEL org.opencontainers.image.title="chainenv-operator" \
      org.opencontainers.image.description="Kubernetes operator that keeps Baseten chain environments as declared" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /venv /venv
# Bytecode was compiled at installation, and nothing is written at run time: the root file system can be read-only.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["chainenv"]
CMD ["run"]
