"""The product's version, as /health and the OpenAPI page show it."""

VERSION = "0.1.0"
