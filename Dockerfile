# docker build --tag warroom .
# docker run --publish 8000:8000 --volume warroom:/data --stop-timeout 15 warroom
#
# tests/events/test_image.py carries these steps out without Docker, on the tests' own Python.

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/warroom
ENV PATH=/opt/warroom/bin:$PATH
# Apart from the sources, so that a change of those does not install all packages anew.
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
RUN scripts/wheel /dist && pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.11-slim
RUN groupadd --gid 10001 warroom \
    && useradd --uid 10001 --gid warroom --home-dir /data --shell /usr/sbin/nologin warroom \
    && install --directory --owner warroom --group warroom --mode 0700 /data
COPY --from=build /opt/warroom /opt/warroom
ENV PATH=/opt/warroom/bin:$PATH HOST=0.0.0.0 DATA_DIR=/data
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# The server answers what it has taken in and ends within 10 seconds, which is all that Docker gives
# it unless told: --stop-timeout 15, in compose stop_grace_period.
STOPSIGNAL SIGTERM
# Whether it lives, not whether its database does: a new container would not bring that back.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD python -c "\
import http.client, os, sys; \
server = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=4); \
server.request('GET', '/health/live'); \
sys.exit(server.getresponse().status != 200)"
ENTRYPOINT ["warroom"]
CMD ["run"]
