"""The experiments by name, in the order of the issue's table: each a function from the bench to a
`Result`, and whether it is part of a quick look."""

from experiments import (
    calls, examination, first_byte, kill, latency, ledger, memory, serving, stitching, throttle, transfer, workers,
)
from experiments import requests as store_requests

ALL = {
    "cpu-plain": (transfer.plain, True),
    "null-sink": (transfer.null_sink, True),
    "cpu-tls": (transfer.tls, True),
    "examination": (examination.measure, True),
    "throttled": (throttle.measure, True),
    "latency": (latency.measure, True),
    "memory": (memory.measure, True),
    "kill": (kill.measure, True),
    "requests": (store_requests.measure, True),
    "calls": (calls.measure, True),
    "ledger": (ledger.measure, False),
    "workers": (workers.measure, True),
    "first-byte": (first_byte.measure, True),
    "serving": (serving.measure, True),
    "stitching": (stitching.measure, True),
}
