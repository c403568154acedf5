"""Mixpanel's own package for Python, with the consumer that sends batches of 50."""

import resource
import sys
import time
import urllib.request

from mixpanel import BufferedConsumer, Mixpanel

EVENTS = 100_000

sink_url = sys.argv[1]
# Given a host alone, the consumer would use TLS.
consumer = BufferedConsumer(events_url=f"{sink_url}/track")
mixpanel = Mixpanel("token", consumer=consumer)
started, cpu_before = time.perf_counter(), time.process_time()
for number in range(EVENTS):
    properties = {"Title": "A post about something", "Number": number, "Plan": "Pro"}
    mixpanel.track(f"user-{number % 1000}", "Create Blog Post", properties)
consumer.flush()
elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu_before
received = urllib.request.urlopen(f"{sink_url}/count").read().decode()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(
    f"| mixpanel (Python) | - | {EVENTS / elapsed:.0f} | {cpu / EVENTS * 1e6:.2f} µs | {peak} MiB | {received} |"
)
