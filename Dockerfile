# Image of the pipeline: docs/image.md
FROM python:3.12-slim AS build
ARG EXTRAS=run,shared-state
WORKDIR /srv/attribution-elt
COPY . .
RUN python -m venv /opt/attribution-elt
RUN /opt/attribution-elt/bin/python -m pip install --no-cache-dir --no-compile --constraint constraints.txt ".[$EXTRAS]"
# all plugins use this environment instead of one each
RUN sed -i '/pip_url: -e /d' meltano.yml && sed -i '/"pip_url"/d' plugins/*/*--attribution-elt.lock
# Meltano creates these folders if they are missing, but the project is read-only
RUN mkdir -p plugins/extractors plugins/loaders plugins/mappers plugins/utilities plugins/orchestrators plugins/transformers plugins/transforms plugins/files
RUN rm -rf /opt/attribution-elt/lib/python3*/site-packages/pyarrow/include && /opt/attribution-elt/bin/python -m pip uninstall --yes pip

FROM python:3.12-slim
RUN useradd --uid 10001 --user-group --create-home --home-dir /data elt && install --directory --owner=elt --group=elt /data/dagster
COPY --from=build /opt/attribution-elt /opt/attribution-elt
WORKDIR /srv/attribution-elt
COPY --from=build /srv/attribution-elt/meltano.yml /srv/attribution-elt/logging.yaml ./
COPY --from=build /srv/attribution-elt/plugins ./plugins
COPY --from=build /srv/attribution-elt/transform ./transform
# all data that changes is in /data; the rest may be read-only
ENV PATH=/opt/attribution-elt/bin:/usr/local/bin:/usr/bin:/bin
ENV MELTANO_PROJECT_ROOT=/srv/attribution-elt
ENV MELTANO_SYS_DIR_ROOT=/data/.meltano
ENV MELTANO_PROJECT_READONLY=true
ENV MELTANO_AUTO_INSTALL=false
ENV PYTHONDONTWRITEBYTECODE=1
USER elt
VOLUME /data
HEALTHCHECK --interval=30m --timeout=3m --start-period=1m CMD ["attribution-elt", "preflight", "--json"]
ENTRYPOINT ["attribution-elt"]
CMD ["preflight"]
