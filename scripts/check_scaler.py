"""Holds the scaler among the manifests on stdin against the schema that KEDA publishes."""

from __future__ import annotations

import sys

import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject


def main() -> None:
    """Fail if there is none, or if it is not what KEDA takes."""
    scalers = [
        manifest for manifest in yaml.safe_load_all(sys.stdin) if manifest["kind"] == "ScaledObject"
    ]
    assert scalers, "no ScaledObject on stdin"
    for each in scalers:
        known = ScaledObject.model_validate(each).model_dump(by_alias=True, exclude_unset=True)
        assert known == each, f"KEDA does not know all of {each}; it reads {known}"


if __name__ == "__main__":
    main()
