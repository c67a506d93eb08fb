# One image for web, worker, schedule and migrations; docker-compose.yml says which it is.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /venv
COPY requirements/runtime.lock requirements/
RUN /venv/bin/pip install --require-hashes --no-deps --only-binary=:all: -r requirements/runtime.lock
COPY . .
# Settings want keys and a folder; those made here stay in this stage.
RUN DATA_DIR=/tmp/build STATIC_ROOT=/app/staticfiles /venv/bin/python manage.py collectstatic --no-input \
    && /venv/bin/python -m compileall -q leadmachine capi crm

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="LeadMachine" org.opencontainers.image.licenses="MIT"
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=leadmachine.settings \
    DATA_DIR=/data \
    STATIC_ROOT=/app/staticfiles
RUN groupadd --system --gid 10001 leadmachine \
    && useradd --system --uid 10001 --gid leadmachine --home-dir /data --shell /usr/sbin/nologin leadmachine \
    && install --directory --owner leadmachine --group leadmachine --mode 700 /data
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "leadmachine/healthcheck.py"]
CMD ["python", "-m", "gunicorn", "leadmachine.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", \
     "--workers", "2", "--threads", "4", "--graceful-timeout", "25", "--worker-tmp-dir", "/dev/shm", \
     "--no-control-socket"]
