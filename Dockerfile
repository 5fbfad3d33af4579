# The verifier as a container that judges by itself: no Docker socket, no other service.
#
#   docker build -t assay-verifier .
#   docker run --rm -p 127.0.0.1:50051:50051 --read-only --tmpfs /tmp:exec --security-opt no-new-privileges \
#     --cap-drop ALL --cap-add SETUID --cap-add SETGID --cap-add KILL assay-verifier
#
# Any Debian 12 base serves (--build-arg BASE=...). A folder wheelhouse/ with all wheels, where there is one, takes the
# place of the package index: python -m pip wheel --wheel-dir wheelhouse . pytest sortedcontainers
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS builder
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv
# README.md always exists, so the pattern beside it may match nothing.
COPY README.md wheelhouse* /build/wheelhouse/
COPY pyproject.toml README.md LICENSE /build/
COPY verifier /build/verifier
COPY curation /build/curation
# pytest is for test scripts, sortedcontainers for solutions.
RUN python3 -m venv /opt/assay \
 && if ls /build/wheelhouse/*.whl >/dev/null 2>&1; then source="--no-index --find-links /build/wheelhouse assay"; \
    else source=/build; fi \
 && /opt/assay/bin/pip install --quiet --no-cache-dir --disable-pip-version-check $source pytest sortedcontainers

FROM ${BASE}
# g++ stays in the image: C++ completions are compiled inside it.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates g++ python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=builder /opt/assay /opt/assay
ENV PATH=/opt/assay/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
# Every execution of a completion gets a uid of its own. Taking one needs a process that starts as root with SETUID and
# SETGID; ending what such a process started needs KILL. Run it with these three capabilities and no other. It also
# runs as --user 65534 with none: solutions then share the server's uid, and Landlock and seccomp alone keep them apart.
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "\
import grpc; \
from grpc_health.v1 import health_pb2, health_pb2_grpc; \
stub = health_pb2_grpc.HealthStub(grpc.insecure_channel('127.0.0.1:50051')); \
raise SystemExit(stub.Check(health_pb2.HealthCheckRequest(), timeout=4).status != 1)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["verifier"]
CMD ["serve", "--bind", "0.0.0.0:50051", "--sandbox", "local"]
