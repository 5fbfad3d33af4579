"""The one package that translates: protobuf, JSON Lines and gRPC status on one side, plain types on the other."""
