"""One service: the verifier over gRPC."""
