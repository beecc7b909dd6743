"""The derivative of a step, and the QR factorization of tangents."""
