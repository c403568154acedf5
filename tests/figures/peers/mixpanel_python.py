"""Mixpanel's own package for Python, with the consumer that sends fifty at once."""

import resource
import sys
import time
import urllib.request

from mixpanel import BufferedConsumer, Mixpanel

EVENTS = 100_000

url = sys.argv[1]
# It sends to hosts with TLS unless it is told whole URLs.
consumer = BufferedConsumer(events_url=f"{url}/track")
mixpanel = Mixpanel("token", consumer=consumer)
begun, used = time.perf_counter(), time.process_time()
for number in range(EVENTS):
    properties = {"Title": "A post about something", "Number": number, "Plan": "Pro"}
    mixpanel.track(f"user-{number % 1000}", "Create Blog Post", properties)
consumer.flush()
took, used = time.perf_counter() - begun, time.process_time() - used
arrived = urllib.request.urlopen(f"{url}/count").read().decode()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(
    f"| mixpanel (Python) | - | {EVENTS / took:.0f} | {used / EVENTS * 1e6:.2f} µs | {peak} MiB | {arrived} |"
)
