# The image of the server: one static binary and what it needs of a system. `make image` puts them into the context.
FROM scratch
COPY velero /
# A scratch image has no roots of trust; object stores are reached through TLS.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/velero"]
