# The image of the server and its helper: static binaries and nothing else. `make image` puts them into the context.
FROM scratch
COPY velero velero-restore-helper /
# A scratch image has no roots of trust; object stores are reached through TLS.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/velero"]
