# The example site under Granian, as docs/operations.md says; compose.yaml puts the rest around it.

FROM python:3.13-slim AS packages
COPY requirements.txt /
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 STATIC_ROOT=/site/static GRANIAN_HOST=0.0.0.0
WORKDIR /site
COPY --from=packages /venv /venv
COPY manage.py ./
COPY jay_sessions ./jay_sessions
COPY project ./project
# The key is of this command alone: a container does not start without one of its own.
RUN python -m compileall -q jay_sessions project \
    && SECRET_KEY=only-collects-files python manage.py collectstatic --noinput --verbosity 0 \
    && useradd --system --no-create-home --uid 10001 --shell /usr/sbin/nologin site

USER 10001
EXPOSE 8000
# Under a name that must be in ALLOWED_HOSTS.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/ready/', timeout=4)"]
CMD ["granian", "--interface", "wsgi", "--workers", "4", "--blocking-threads", "8", "--backpressure", "16384", \
     "--workers-kill-timeout", "10", "project.wsgi:application"]
