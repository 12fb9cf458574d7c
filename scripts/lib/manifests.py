"""Checks what kubernetes-validate does not: that each pod is as confined as the profile `restricted` of Kubernetes asks,
with a file system that it cannot write to. Writes the configuration among the manifests into a folder, and prints the
arguments that each container gives the program, one container a line."""

import pathlib
import sys

import yaml


def pods(manifest):
    """The specifications of pods anywhere in a manifest."""
    if isinstance(manifest, dict):
        if "containers" in manifest:
            yield manifest
        for value in manifest.values():
            yield from pods(value)


def problems(pod):
    """What the pod may do and should not."""
    whole = pod.get("securityContext", {})
    if whole.get("runAsNonRoot") is not True:
        yield "runs as root"
    if whole.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "may call everything of the kernel"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the cluster"
    for container in pod["containers"]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            yield "may gain privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield "may write to its image"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield "has no limit of memory"


def main(folder, paths):
    for path in paths:
        for manifest in yaml.safe_load_all(pathlib.Path(path).read_text()):
            for name, text in manifest.get("data", {}).items():
                pathlib.Path(folder, name).write_text(text)
            for pod in pods(manifest):
                if found := list(problems(pod)):
                    sys.exit(f"{path}: a pod {', '.join(found)}")
                for container in pod["containers"]:
                    print(*container["args"])


main(sys.argv[1], sys.argv[2:])
